#pragma once

// The commands that ask the daemon. Each returns the exit status of the program.

#include "control/cli/arguments.h"
#include "control/cli/terminal.h"

namespace sluice {

// Whatever command it is, but for the offline ones.
int run_online(const Invocation& invocation, const Terminal& terminal);

}  // namespace sluice
