#include "control/cli/table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "control/cli/escape.h"

namespace sluice {
namespace {

bool is_number(const std::string& cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  }));
}

void TextTable::add(std::vector<std::string> cells) {
  CHECK(cells.size() == heads_.size());
  for (std::string& cell : cells) cell = escape_control(cell);
  rows_.push_back(std::move(cells));
}

void TextTable::print(const Terminal& terminal) const {
  std::vector<std::size_t> widths;
  std::vector<bool> is_right(heads_.size(), !rows_.empty());
  for (const std::string& head : heads_) widths.push_back(display_width(head));
  for (const std::vector<std::string>& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
      if (!is_number(row[i])) is_right[i] = false;
    }
  }
  const auto line_of = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string gap(widths[i] - display_width(cells[i]), ' ');
      line += is_right[i] ? gap + cells[i] : cells[i] + gap;
      line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };
  terminal.out << terminal.paint(line_of(heads_), kBold) << '\n';
  for (const std::vector<std::string>& row : rows_) terminal.out << line_of(row) << '\n';
}

}  // namespace sluice
