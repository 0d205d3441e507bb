#pragma once

// Policy → what gets sealed: names become stable numbers, and interfaces learn whether what is
// remembered of their connections still counts.
//
// Then the caller hands the result to build_snapshot() (lookup/snapshot_builder.h) and keeps it as
// the `former` of the next one. Pure but for new names in the registry. Control thread.

#include <optional>

#include "base/ids.h"
#include "base/result.h"
#include "control/policy/policy.h"
#include "control/policy/registry.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// What becomes of live connections of the interfaces whose rules changed (product, section 4).
enum class ExistingMode : std::uint8_t {
  Keep,        // a tracked connection lives on, an untracked one follows the rules (CT-6, CT-7)
  Reevaluate,  // each is judged again at its next packet
  Flush,       // all of it is forgotten
};

// Requires a policy that passed its checks; a name that does not exist is an Error all the same
// (kind Invalid, code "unknown-name"). More interfaces in the life of the process than fit is
// LimitExceeded. Interfaces get the stamps of a first policy: nothing to judge again.
Result<SnapshotInput> compile(const Policy& policy, Registry& registry, Generation generation);

// The same, as the successor of a policy in force. `next.generation` must be later than the
// former one's. Interfaces that neither policy's rules treat differently keep their stamps; the
// others get stamps by `mode`; an interface that was not there starts with nothing remembered.
Result<SnapshotInput> compile_after(const SnapshotInput& former, ExistingMode mode,
                                    const Policy& policy, Registry& registry,
                                    Generation generation);

// One group, of the VPC of that number. Names in it exist.
GroupInput compile_group(const SecurityGroup& group, VpcIndex vpc, Registry& registry);

// Marks the interface as one whose rules change with `generation`.
void stamp(InterfaceInput& eni, ExistingMode mode, Generation generation);

// What compiling and sealing would say of it, such as a limit that is exceeded; nothing if all is
// well. `policy_memory`: the bytes that it may take. Gives no name a number and enforces nothing.
// Costs what applying costs.
std::optional<Error> compile_error_of(const Policy& policy, std::size_t policy_memory);

}  // namespace sluice
