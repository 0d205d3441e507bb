#pragma once

namespace sluice {

// Registers what flows cost while nobody sends for them: their expiry, their memory.
void add_upkeep_benches();

}  // namespace sluice
