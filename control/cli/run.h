#pragma once

// sluicectl but for main(): words in, exit status out. Tests call it with streams of their own.

#include <string>
#include <vector>

#include "control/cli/arguments.h"
#include "control/cli/terminal.h"

namespace sluice {

// Exit statuses are those of product.md section 5. Never throws.
int run_sluicectl(const std::vector<std::string>& words, const Terminal& terminal);

}  // namespace sluice
