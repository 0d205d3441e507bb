#pragma once

// The words of sluiced's command line.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

struct SluicedArguments {
  std::string config;  // --config FILE
  std::string policy;  // --policy FILE; empty: what the state directory keeps
  bool wants_sample = false;
  bool wants_help = false;
  bool wants_version = false;
};

// `words` without the program's name. Errors are of kind Usage.
Result<SluicedArguments> parse_sluiced_arguments(const std::vector<std::string>& words);

// What --help says.
std::string_view sluiced_help();

}  // namespace sluice
