#pragma once

// Columns for people: each as wide as its widest cell, numbers to the right. Cells are escaped
// here, so whatever a policy or packet holds may be put in.

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "control/cli/terminal.h"

namespace sluice {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> heads) : heads_(std::move(heads)) {}

  // As many cells as there are heads.
  void add(std::vector<std::string> cells);
  std::size_t row_count() const { return rows_.size(); }
  void print(const Terminal& terminal) const;

 private:
  std::vector<std::string> heads_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns that a terminal needs for UTF-8 text, a code point each.
std::size_t display_width(const std::string& text);

}  // namespace sluice
