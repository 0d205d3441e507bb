#include "dataplane/stage_parse.h"

#include "base/cache_line.h"
#include "dataplane/flow_report.h"
#include "dataplane/parse.h"
#include "dataplane/stage_fragments.h"
#include "dataplane/wire.h"

namespace sluice {
namespace {

// Ports of the router carry no VLANs: a tag, which routing would leave as it is, could lead out of
// the uplink into a network that the sender chose. A bump in the wire changes nothing in a frame.
bool has_stray_tag(const WorkerContext& context, const Burst& burst, std::size_t i) {
  if (burst.facts[i].network_offset == sizeof(EthernetHeader)) return false;
  const NicRole role = context.nic(burst.packets[i].in).config.role;
  return role == NicRole::Interface || role == NicRole::Uplink;
}

}  // namespace

void parse(WorkerContext& context, Burst& burst) {
  constexpr std::size_t kAhead = 4;  // packets between asking for a header's line and reading it
  for (std::size_t i = 0; i < burst.count && i < kAhead; ++i) prefetch_read(burst.frames[i].data);
  for (std::size_t i = 0; i < burst.count; ++i) {
    if (i + kAhead < burst.count) prefetch_read(burst.frames[i + kAhead].data);
    if (!burst.is_pending(i)) continue;
    const Frame& frame = burst.frames[i];
    const DropReason reason =
        parse_frame({frame.data, frame.contiguous}, frame.length, burst.facts[i]);
    burst.bits |= burst.facts[i].bits;
    if (reason != DropReason::None) {
      if (condemn_elsewhere(context, burst, i)) continue;
      drop(context, burst, i, reason);
    } else if (has_stray_tag(context, burst, i)) {
      drop(context, burst, i, DropReason::Vlan);
    }
  }
}

}  // namespace sluice
