#include "dataplane/pipeline.h"

#include <array>

#include "dataplane/stage_account.h"
#include "dataplane/stage_admit.h"
#include "dataplane/stage_emit.h"
#include "dataplane/stage_express.h"
#include "dataplane/stage_find_flow.h"
#include "dataplane/stage_fragments.h"
#include "dataplane/stage_identify.h"
#include "dataplane/stage_locate.h"
#include "dataplane/stage_neighbors.h"
#include "dataplane/stage_parse.h"
#include "dataplane/stage_track.h"

namespace sluice {
namespace {

using Stage = void (*)(WorkerContext& context, Burst& burst);

// Inlined, so that the stage is called by its name.
[[gnu::always_inline]] inline void run(WorkerContext& context, Burst& burst, StageName name,
                                       Stage stage) {
  stage(context, burst);
  context.stages.passed(name);
}

// Where the stretch that begins at `begin` ends: before the first packet whose conversation was
// seen in it from the other side. Conversations that share a place in the small table cut a
// stretch needlessly, which costs time and changes nothing.
std::size_t end_of_stretch(const Burst& burst, std::size_t begin) {
  constexpr std::size_t kPlaces = 256;
  std::array<std::uint8_t, kPlaces> seen{};  // packet + 1
  for (std::size_t i = begin; i < burst.count; ++i) {
    if (!burst.has_end(i)) continue;
    std::uint8_t& place = seen[burst.hashes[i] % kPlaces];
    const bool is_from_other_side =
        place != 0 && burst.facts[place - 1u].source() != burst.facts[i].source();
    if (is_from_other_side) return i;
    place = static_cast<std::uint8_t>(i + 1);
  }
  return burst.count;
}

void find_judged(Burst& burst) {
  std::size_t count = 0;
  for (std::size_t i = burst.begin; i < burst.end; ++i) {
    burst.judged_places[count] = static_cast<std::uint8_t>(i);
    count += burst.is_judged(i) ? 1 : 0;
  }
  burst.judged_count = count;
}

void judge_end(WorkerContext& context, Burst& burst, Direction direction) {
  if (!burst.has_ends[static_cast<std::size_t>(direction)]) return;
  burst.direction = direction;
  burst.has_new_flows = false;
  burst.has_watched = false;
  find_judged(burst);
  run(context, burst, StageName::FindFlow, find_flow);
  run(context, burst, StageName::Admit, admit);
  run(context, burst, StageName::Track, track_flows);
  if (burst.has_watched) run(context, burst, StageName::Identify, identify);
  run(context, burst, StageName::Account, account);
}

void run_whole_way(WorkerContext& context, Burst& burst) {
  run(context, burst, StageName::Parse, parse);
  run(context, burst, StageName::Fragments, fragments);
  run(context, burst, StageName::Neighbors, neighbors);
  run(context, burst, StageName::Locate, locate);
  for (burst.begin = 0; burst.begin < burst.count; burst.begin = burst.end) {
    burst.end =
        context.topology.has_mixed_directions() ? end_of_stretch(burst, burst.begin) : burst.count;
    judge_end(context, burst, Direction::Egress);
    judge_end(context, burst, Direction::Ingress);
  }
  run(context, burst, StageName::Fragments, settle_fragments);
}

}  // namespace

void run_pipeline(WorkerContext& context, Burst& burst) {
  if (burst.count == 0) return;
  const std::size_t received = burst.count;
  run(context, burst, StageName::Express, express);
  if (burst.count > 0) run_whole_way(context, burst);
  run(context, burst, StageName::Emit, emit);
  context.stages.finished_burst(received);
}

}  // namespace sluice
