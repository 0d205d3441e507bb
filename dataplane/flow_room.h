#pragma once

// Who may still begin a tracked flow, besides the room in the table (CT-27, CT-28):
//
//   * an interface tracks no more than its allowance, where it has one;
//   * flows that nobody has answered yet have a share of the table, and of the allowance.
//
// Both are levels of this worker: an allowance is shared out equally among the workers, as the
// table is. Levels are moved when a flow begins and ends and where tracking changes its phase; a
// packet that moves no phase costs nothing.

#include "base/drop_reason.h"
#include "dataplane/burst.h"
#include "dataplane/worker_context.h"
#include "flowtable/embryo.h"

namespace sluice {

// Makes room for the tracked flow that packet i wants to begin: where a limit is reached, ends a
// flow near it that counts for the same limit and that has ended or got nowhere for a while. None
// where there is room; AllowanceExceeded or EmbryonicFull where there is not.
DropReason make_room(WorkerContext& context, Burst& burst, std::size_t i, Embryo kind);

// A tracked flow begins, or an untracked one becomes tracked; it ends; its phase has moved.
void count_tracked(WorkerContext& context, EniIndex eni, const FlowState& state);
void uncount_tracked(WorkerContext& context, EniIndex eni, const FlowState& state);
void count_moved(WorkerContext& context, EniIndex eni, Embryo before, const FlowState& state);

}  // namespace sluice
