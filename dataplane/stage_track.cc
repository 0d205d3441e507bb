#include "dataplane/stage_track.h"

#include "dataplane/flow_report.h"
#include "dataplane/flow_room.h"
#include "dataplane/packet_naming.h"
#include "dataplane/stage_admit.h"
#include "dataplane/stage_find_flow.h"
#include "flowtable/conntrack.h"
#include "flowtable/track_plain.h"
#include "lookup/decide.h"

namespace sluice {
namespace {

bool is_tracked(const Burst& burst, std::size_t i) {
  return burst.is_pending(i) && burst.flows[i] != nullptr && !burst.marks[i].is_new_flow &&
         burst.packets[i].part != FragmentPart::Follower;
}

// A clean SYN on a flow that is over: a new connection where a rule admits it. Where none does the
// entry stays, so that what is still under way of the old connection is not taken for a new one.
void reopen(WorkerContext& context, Burst& burst, std::size_t i, FlowState& state) {
  const EndResult& end = burst.end_of(i);
  const Decision decision = context.verdicts.decide(
      *context.policy, question_of(burst.facts[i], end.eni, burst.direction));
  if (decision.verdict != Verdict::Accept) {
    refuse(context, burst, i, decision.reason, decision.by);
    return;
  }
  forget_flow(context, burst, &state);
  admit_first(context, burst, i);
}

// What was known of the old connection says nothing about the new one.
void watch_anew(WorkerContext& context, Burst& burst, std::size_t i, FlowState& state,
                const Decision& decision) {
  context.layer7.forget(state);
  state.l7 = FlowState::kL7None;
  begin_watch(context, burst, i, state, decision.conditional);
  if (state.is_watched()) adopt(context, state, decision);
}

// A new connection on an entry of an old one passes by the rules of now, not by what the old one
// was allowed. False: they refuse it, and the entry is closed.
bool may_restart(WorkerContext& context, Burst& burst, std::size_t i, FlowState& state) {
  const Decision decision =
      context.verdicts.decide(*context.policy, first_question_of(tuple_of(burst, i), state));
  if (decision.verdict == Verdict::Accept) {
    watch_anew(context, burst, i, state, decision);
    return true;
  }
  revoke(context, tuple_of(burst, i), state);
  refuse(context, burst, i, decision.reason, decision.by);
  return false;
}

void track_one(WorkerContext& context, Burst& burst, std::size_t i) {
  FlowState& state = *burst.flows[i];
  const TrackedPacket packet = tracked_packet_of(burst.facts[i], burst.direction);
  if (track_plain(state, packet)) [[likely]]
    return;
  const TrackingSettings& tracking = context.policy->tracking();
  const Embryo before = embryo_of(state);
  const TrackOutcome outcome = track(state, packet, tracking.mode == TcpMode::Strict);
  count_moved(context, burst.end_of(i).eni, before, state);
  if (outcome.out_of_window) {
    context.counters.interface(burst.end_of(i).eni).out_of_window.add(1);
  }
  if (outcome.reopen) return reopen(context, burst, i, state);
  if (outcome.restarts && !may_restart(context, burst, i, state)) return;
  burst.marks[i].leaves_flow = !outcome.refreshes;
  if (outcome.rearm) {
    const TimeoutTable timeouts = timeouts_of(*burst.end_of(i).row, tracking);
    context.flows.rearm(&state, burst.now.tick_ms,
                        timeout_of(state, burst.facts[i].proto, timeouts));
  }
  // Whoever still tries finds it refused for as long as that goes on.
  if (state.is_revoked()) state.last_seen_ms = burst.now.tick_ms;
  if (!outcome.passes) {
    refuse(context, burst, i, state.is_revoked() ? state.revoked_reason() : outcome.reason,
           By::Flow);
  }
}

}  // namespace

void track_flows(WorkerContext& context, Burst& burst) {
  for (const std::size_t i : burst.judged()) {
    if (is_tracked(burst, i)) track_one(context, burst, i);
  }
}

}  // namespace sluice
