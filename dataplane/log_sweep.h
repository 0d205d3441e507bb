#pragma once

// Cuts the flow log at the end of each log window (60 s of Unix time): walks the flow table in
// steps of at most kSweptPerTurn slots and sends what lies before the window under way, then says
// WindowClosed.
//
// Packets do not wait for the sweep: a flow that sees a packet of the new window sends its old
// delta first. Refusals of the new window go to the other of two caches, so that no record spans a
// boundary while the former cache is given away.

#include <cstddef>
#include <cstdint>

#include "dataplane/tick_clock.h"

namespace sluice {

struct WorkerContext;

class LogSweep {
 public:
  explicit LogSweep(const TickClock& clock) : window_begin_ms_(clock.window_begin_ms()) {}

  // Before the first packet of a turn: notices that a window has ended.
  void begin_turn(WorkerContext& context);
  // After the packets of a turn: one bounded step. Rests while the ring is more than half full, so
  // that the sweep itself loses nothing.
  void step(WorkerContext& context);
  // Which of the two refusal caches takes records of the window under way.
  std::size_t current_refusals() const { return current_; }

 private:
  void begin_refusals();
  bool step_flows(WorkerContext& context, std::size_t budget);
  bool step_refusals(WorkerContext& context, std::size_t budget);

  std::uint64_t window_begin_ms_;
  std::uint64_t last_step_ms_ = 0;
  std::size_t current_ = 0;
  bool is_open_ = false;      // a window has ended and is not yet reported
  bool is_walked_ = false;    // all flows were visited for it
  bool is_flushed_ = false;   // and its refusals given away
  bool starts_anew_ = false;  // one more window has ended meanwhile
  // Of the two refusal caches: the former one has been given away, and the one that takes records
  // still holds some of a window before.
  bool is_former_empty_ = false;
  bool has_leftovers_ = false;
  std::uint32_t boundary_s_ = 0;
  std::size_t flow_cursor_ = 0;
  std::size_t owed_ = 0;  // slots that time has asked for and no turn has looked at
  std::size_t refusal_cursor_ = 0;
};

}  // namespace sluice
