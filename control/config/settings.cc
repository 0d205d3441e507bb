#include "control/config/settings.h"

#include <cstdlib>

#include "base/check.h"

namespace sluice {
namespace {

constexpr std::size_t kLineMax = 100;

constexpr std::string_view kHead =
    "The appliance: what needs a restart. Rules, interfaces and logs are the policy's, which is "
    "pushed with `sluicectl policy apply`. Every setting stands here at its default; what has none "
    "is commented out.";

std::string_view head_of(SettingTable table) {
  switch (table) {
    case SettingTable::Engine:
      return "[engine]";
    case SettingTable::Control:
      return "[control]";
    case SettingTable::Nic:
      return "# A port, one table for each; the keys below those of every port hang on its role.\n"
             "# [[port]]";
    case SettingTable::State:
      return "[state]";
  }
  return "";
}

// Comment lines of whole words.
void write_comment(std::string& out, std::string_view text) {
  std::string line = "#";
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    if (line.size() + 1 + word.size() > kLineMax) {
      out += line + "\n";
      line = "#";
    }
    line += " ";
    line += word;
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
  out += line + "\n";
}

void write_setting(std::string& out, const Setting& row) {
  std::string sentence(row.sentence);
  if (row.type == SettingType::Integer) {
    sentence += " " + std::to_string(row.low) + " to " + std::to_string(row.high);
    if (!row.unit.empty()) sentence += " " + std::string(row.unit);
    sentence += ".";
  }
  write_comment(out, sentence);
  const bool is_default = !row.initial.empty() && row.table != SettingTable::Nic;
  if (!is_default) out += "# ";
  out += row.key;
  out += " = ";
  out += row.initial.empty() ? row.example : row.initial;
  out += "\n";
}

}  // namespace

const Setting& setting(SettingTable table, std::string_view key) {
  for (const Setting& row : kSettings) {
    if (row.table == table && row.key == key) return row;
  }
  CHECK(false);
  std::abort();
}

std::string sample_configuration() {
  std::string out;
  write_comment(out, kHead);
  const Setting* former = nullptr;
  for (const Setting& row : kSettings) {
    if (former == nullptr || former->table != row.table) {
      out += "\n";
      out += head_of(row.table);
      out += "\n";
    }
    write_setting(out, row);
    former = &row;
  }
  return out;
}

}  // namespace sluice
