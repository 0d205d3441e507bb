// TCP connections as rows of packets: who sends what, does it pass, where does the connection stand
// then. '>' is the original side, '<' the other one. Sequence numbers are relative to the initial
// one of their side, as in packet analysers; acknowledgments to the other side's.

#include "flowtable/conntrack.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "flowtable/track_plain.h"

namespace sluice {
namespace {

enum class Then { Passes, Ignored, Counted, OutOfWindow, Late, Reopens };
using enum Then;
using enum FlowPhase;

struct Row {
  char side;
  const char* flags;  // of S A F R P
  std::uint32_t sequence;
  std::uint32_t acknowledgment;
  std::uint32_t size;
  Then then;
  FlowPhase phase;
  int scale = -1;
  std::uint16_t window = 60'000;
};

struct Story {
  const char* name;
  bool strict;
  std::vector<Row> rows;
};

// Initial numbers near the end of the circle, so that every story crosses it.
constexpr std::uint32_t kOriginalBase = 0xfffffff0u;
constexpr std::uint32_t kReplyBase = 0xffffff00u;

TrackedPacket packet_of(const Row& row, Direction first) {
  TrackedPacket packet;
  const bool original = row.side == '>';
  packet.direction = original ? first : opposite(first);
  for (const char flag : std::string_view(row.flags)) {
    if (flag == 'S') packet.tcp_flags |= TcpFlags::kSyn;
    if (flag == 'A') packet.tcp_flags |= TcpFlags::kAck;
    if (flag == 'F') packet.tcp_flags |= TcpFlags::kFin;
    if (flag == 'R') packet.tcp_flags |= TcpFlags::kRst;
    if (flag == 'P') packet.tcp_flags |= TcpFlags::kPsh;
  }
  packet.sequence = row.sequence + (original ? kOriginalBase : kReplyBase);
  packet.acknowledgment = row.acknowledgment + (original ? kReplyBase : kOriginalBase);
  packet.payload_size = row.size;
  packet.window = row.window;
  packet.window_scale = static_cast<std::int8_t>(row.scale);
  return packet;
}

Then what_happened(const TrackOutcome& outcome) {
  if (outcome.reopen) return Reopens;
  if (!outcome.passes) return outcome.reason == DropReason::Closed ? Late : OutOfWindow;
  if (outcome.out_of_window) return Counted;
  return outcome.refreshes ? Passes : Ignored;
}

class TcpStory : public testing::TestWithParam<std::tuple<Story, Direction>> {};

TEST_P(TcpStory, goes_as_told) {
  const auto& [story, first] = GetParam();
  FlowState state{};
  for (std::size_t i = 0; i < story.rows.size(); ++i) {
    const Row& row = story.rows[i];
    const TrackedPacket packet = packet_of(row, first);
    if (i == 0) {
      ASSERT_NE(first_packet(packet, false), FirstPacket::Never);
      begin_flow(state, packet);
    } else {
      const FlowPhase before = state.flow_phase();
      const TrackOutcome outcome = track(state, packet, story.strict);
      EXPECT_EQ(what_happened(outcome), row.then) << "row " << i;
      EXPECT_EQ(outcome.passes, outcome.reason == DropReason::None) << "row " << i;
      EXPECT_TRUE(outcome.passes || !outcome.refreshes) << "row " << i;
      const TimeoutTable timeouts;
      FlowState earlier = state;
      earlier.phase = static_cast<std::uint8_t>(before);
      if (timeout_of(state, Proto::Tcp, timeouts) < timeout_of(earlier, Proto::Tcp, timeouts)) {
        EXPECT_TRUE(outcome.rearm) << "row " << i;
      }
    }
    EXPECT_EQ(name_of(state.flow_phase()), name_of(row.phase)) << "row " << i;
    EXPECT_EQ(state.initiator(), first);
  }
}

// The openings that most stories begin with.
std::vector<Row> after_handshake(std::vector<Row> rest) {
  std::vector<Row> rows = {{'>', "S", 0, 0, 0, Passes, SynSent},
                           {'<', "SA", 0, 1, 0, Passes, SynReceived},
                           {'>', "A", 1, 1, 0, Passes, Established}};
  rows.insert(rows.end(), rest.begin(), rest.end());
  return rows;
}

std::vector<Row> after_scaled_handshake(std::vector<Row> rest) {
  std::vector<Row> rows = {{'>', "S", 0, 0, 0, Passes, SynSent, 7},
                           {'<', "SA", 0, 1, 0, Passes, SynReceived, 7},
                           {'>', "A", 1, 1, 0, Passes, Established, -1, 500}};
  rows.insert(rows.end(), rest.begin(), rest.end());
  return rows;
}

std::vector<Row> after_reset(std::vector<Row> rest) {
  std::vector<Row> rows = after_handshake({{'<', "R", 1, 0, 0, Passes, Closed}});
  rows.insert(rows.end(), rest.begin(), rest.end());
  return rows;
}

std::vector<Row> after_both_closed(std::vector<Row> rest) {
  std::vector<Row> rows = after_handshake({{'>', "FA", 1, 1, 0, Passes, FinWait},
                                           {'<', "FA", 1, 2, 0, Passes, Closing},
                                           {'>', "A", 2, 2, 0, Passes, TimeWait}});
  rows.insert(rows.end(), rest.begin(), rest.end());
  return rows;
}

// Opening.
const std::vector<Story> kOpenings = {
    {"handshake_then_data", false,
     after_handshake({{'>', "PA", 1, 1, 100, Passes, Established},
                      {'<', "A", 1, 101, 1'460, Passes, Established},
                      {'>', "A", 101, 1'461, 0, Passes, Established}})},
    {"syn_is_sent_again",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "A", 1, 1, 0, Passes, Established}}},
    {"syn_is_sent_again_with_a_new_number",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'>', "S", 5'000'000, 0, 0, Passes, SynSent},
      {'<', "SA", 900, 5'000'001, 0, Passes, SynReceived},
      {'>', "A", 5'000'001, 901, 0, Passes, Established}}},
    // Whoever sent the second one, the peer may have taken the first.
    {"first_of_two_syns_is_answered",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'>', "S", 5'000'000, 0, 0, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "A", 1, 1, 0, Passes, Established},
      {'<', "FA", 1, 1, 0, Passes, FinWait}}},
    {"second_syn_is_answered_after_the_first",
     true,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'>', "S", 5'000'000, 0, 0, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'<', "SA", 900, 5'000'001, 0, Passes, SynReceived},
      {'>', "A", 5'000'001, 901, 0, Passes, Established}}},
    {"syn_of_nobody_known_gives_way_to_the_answer",
     true,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "S", 7'000'000, 0, 0, Passes, SynReceived},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "A", 1, 1, 0, Passes, Established},
      {'<', "A", 1, 1, 100, Passes, Established}}},
    {"one_joined_midway_and_not_answered_gives_way_to_a_syn",
     true,
     {{'>', "A", 1, 1, 100, Passes, SynReceived}, {'>', "S", 5'000, 0, 0, Reopens, SynReceived}}},
    {"half_open_one_is_replaced_by_a_new_one",
     true,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "S", 5'000'000, 0, 0, Ignored, SynReceived},
      {'<', "SA", 7'000'000, 5'000'001, 0, Passes, SynReceived},
      {'>', "A", 5'000'001, 7'000'001, 0, Passes, Established}}},
    {"syn_ack_of_an_older_connection_is_ignored",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "SA", 0, 77'777, 0, Ignored, SynSent},
      {'>', "R", 77'777, 0, 0, Ignored, SynSent},
      {'<', "SA", 50, 1, 0, Passes, SynReceived}}},
    {"fast_open_data_is_taken",
     false,
     {{'>', "S", 0, 0, 500, Passes, SynSent},
      {'<', "SA", 0, 501, 0, Passes, SynReceived},
      {'<', "A", 1, 501, 1'000, Passes, Established},
      {'>', "A", 501, 1'001, 0, Passes, Established}}},
    {"fast_open_data_is_left",
     false,
     {{'>', "S", 0, 0, 500, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "A", 1, 1, 500, Passes, Established}}},
    {"simultaneous_open",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "S", 0, 0, 0, Passes, SynReceived},
      {'>', "SA", 0, 1, 0, Passes, SynReceived},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "A", 1, 1, 100, Passes, Established},
      {'<', "A", 1, 101, 0, Passes, Established}}},
    {"split_handshake",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "A", 900, 1, 0, Ignored, SynSent},
      {'<', "S", 0, 0, 0, Passes, SynReceived},
      {'>', "SA", 0, 1, 0, Passes, SynReceived},
      {'<', "A", 1, 1, 0, Passes, Established}}},
    {"half_open_peer_answers_and_is_reset",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "A", 70'000, 40'000, 0, Ignored, SynSent},
      {'>', "R", 40'000, 0, 0, Ignored, SynSent},
      {'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived}}},
    {"initiator_cannot_answer_its_own_syn",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent}, {'>', "SA", 0, 1, 0, OutOfWindow, SynSent}}},
    {"fin_does_not_answer_a_syn",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent}, {'<', "FA", 0, 1, 0, OutOfWindow, SynSent}}},
    {"way_back_leads_past_us",
     true,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'>', "A", 1, 1, 0, Passes, SynSent},
      {'>', "PA", 1, 1, 900, Passes, SynSent},
      {'>', "FA", 901, 7'000, 0, Passes, SynSent}}},
    {"fin_before_the_answer_closes_nothing",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'>', "FA", 1, 1, 0, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "A", 1, 1, 0, Passes, Established},
      {'<', "FA", 1, 1, 0, Passes, FinWait},
      {'>', "A", 1, 2, 0, Passes, FinWait},
      {'>', "PA", 1, 2, 100, Passes, FinWait},
      {'>', "FA", 101, 2, 0, Passes, Closing},
      {'<', "A", 2, 102, 0, Passes, TimeWait}}},
    {"both_close_before_the_handshake_is_over",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "FA", 1, 1, 0, Passes, FinWait},
      {'<', "FA", 1, 2, 0, Passes, Closing},
      {'>', "A", 2, 2, 0, Passes, TimeWait}}},
};

// Refusal.
const std::vector<Story> kRefusals = {
    {"closed_port_answers_with_reset",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent}, {'<', "RA", 0, 1, 0, Passes, Closed}}},
    {"reset_that_acknowledges_another_syn_is_ignored",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent}, {'<', "RA", 0, 2, 0, Ignored, SynSent}}},
    {"reset_without_ack_does_not_answer_a_syn",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent}, {'<', "R", 0, 1, 0, Ignored, SynSent}}},
    {"initiator_takes_its_syn_back",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent}, {'>', "R", 1, 0, 0, Passes, Closed}}},
    {"scan_resets_after_the_answer",
     false,
     {{'>', "S", 0, 0, 0, Passes, SynSent},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "R", 1, 0, 0, Passes, Closed}}},
};

// Closing.
const std::vector<Story> kClosings = {
    {"closes_in_four_steps", false,
     after_handshake({{'>', "FA", 1, 1, 0, Passes, FinWait},
                      {'<', "A", 1, 2, 0, Passes, FinWait},
                      {'<', "FA", 1, 2, 0, Passes, Closing},
                      {'>', "A", 2, 2, 0, Passes, TimeWait}})},
    {"closes_from_the_other_side", false,
     after_handshake({{'<', "FA", 1, 1, 0, Passes, FinWait},
                      {'>', "FA", 1, 2, 0, Passes, Closing},
                      {'<', "A", 2, 2, 0, Passes, TimeWait}})},
    {"closes_from_both_sides_at_once", false,
     after_handshake({{'>', "FA", 1, 1, 0, Passes, FinWait},
                      {'<', "FA", 1, 1, 0, Passes, Closing},
                      {'>', "A", 2, 2, 0, Passes, Closing},
                      {'<', "A", 2, 2, 0, Passes, TimeWait}})},
    {"half_closed_side_still_receives", false,
     after_handshake({{'>', "FA", 1, 1, 0, Passes, FinWait},
                      {'<', "A", 1, 2, 1'000, Passes, FinWait},
                      {'>', "A", 2, 1'001, 0, Passes, FinWait},
                      {'<', "FA", 1'001, 2, 500, Passes, Closing},
                      {'>', "A", 2, 1'502, 0, Passes, TimeWait}})},
    {"fin_is_sent_again", false,
     after_handshake({{'>', "FA", 1, 1, 0, Passes, FinWait},
                      {'>', "FA", 1, 1, 0, Passes, FinWait},
                      {'<', "FA", 1, 2, 0, Passes, Closing},
                      {'>', "FA", 1, 1, 0, Passes, Closing},
                      {'<', "FA", 1, 2, 0, Passes, Closing},
                      {'>', "A", 2, 2, 0, Passes, TimeWait}})},
    {"fin_with_data_counts_both", false,
     after_handshake({{'>', "FA", 1, 1, 10, Passes, FinWait},
                      {'<', "FA", 1, 11, 0, Passes, Closing},
                      {'>', "A", 12, 2, 0, Passes, Closing},
                      {'<', "A", 2, 12, 0, Passes, TimeWait}})},
    {"last_ack_is_sent_again_in_time_wait", false,
     after_both_closed(
         {{'<', "FA", 1, 2, 0, Passes, TimeWait}, {'>', "A", 2, 2, 0, Ignored, TimeWait}})},
    {"data_sent_again_in_time_wait_passes", false,
     after_handshake({{'>', "PA", 1, 1, 100, Passes, Established},
                      {'>', "FA", 101, 1, 0, Passes, FinWait},
                      {'<', "FA", 1, 102, 0, Passes, Closing},
                      {'>', "A", 102, 2, 0, Passes, TimeWait},
                      {'>', "PA", 1, 1, 100, Ignored, TimeWait}})},
    {"new_data_in_time_wait_is_late", false,
     after_both_closed({{'>', "PA", 2, 2, 1, Late, TimeWait},
                        {'<', "PA", 2, 2, 500, Late, TimeWait},
                        {'<', "FA", 2, 2, 0, Late, TimeWait}})},
    {"clean_syn_reopens_in_time_wait", false,
     after_both_closed({{'>', "S", 100'000, 0, 0, Reopens, TimeWait}})},
    {"other_side_may_reopen_in_time_wait", false,
     after_both_closed({{'<', "S", 100'000, 0, 0, Reopens, TimeWait}})},
    {"syn_ack_in_time_wait_is_late", false,
     after_both_closed({{'<', "SA", 0, 1, 0, Late, TimeWait}})},
    {"reset_in_time_wait_closes", false, after_both_closed({{'>', "R", 2, 0, 0, Passes, Closed}})},
};

// Reset, RFC 5961 section 3.
const std::vector<Story> kResets = {
    {"exact_reset_closes", false, after_handshake({{'>', "R", 1, 0, 0, Passes, Closed}})},
    {"exact_reset_with_ack_closes", false, after_handshake({{'<', "RA", 1, 1, 0, Passes, Closed}})},
    {"exact_reset_behind_data_closes", false,
     after_handshake(
         {{'>', "PA", 1, 1, 100, Passes, Established}, {'>', "R", 101, 0, 0, Passes, Closed}})},
    {"reset_one_ahead_passes_and_changes_nothing", false,
     after_handshake(
         {{'>', "R", 2, 0, 0, Ignored, Established}, {'>', "A", 1, 1, 10, Passes, Established}})},
    {"reset_at_the_end_of_the_window_changes_nothing", false,
     after_handshake({{'>', "R", 60'001, 0, 0, Ignored, Established}})},
    {"reset_beyond_the_window_is_dropped", false,
     after_handshake({{'>', "R", 60'002, 0, 0, OutOfWindow, Established}})},
    {"reset_far_behind_is_dropped", false,
     after_handshake({{'>', "R", 1u - 70'000u, 0, 0, OutOfWindow, Established}})},
    {"reset_far_behind_is_dropped_in_a_scaled_connection", false,
     after_scaled_handshake({{'<', "R", 1u - 1'000'000u, 0, 0, OutOfWindow, Established}})},
    {"reset_half_a_circle_away_is_dropped", false,
     after_handshake({{'<', "R", 0x80000000u, 0, 0, OutOfWindow, Established}})},
    {"challenged_reset_comes_again_exact", false,
     after_handshake({{'<', "R", 1'000, 0, 0, Ignored, Established},
                      {'>', "A", 1, 1, 0, Passes, Established},
                      {'<', "R", 1, 0, 0, Passes, Closed}})},
};

// After the reset, CT-18.
const std::vector<Story> kLateOnes = {
    {"late_data_is_refused_as_closed", false, after_reset({{'>', "PA", 1, 1, 100, Late, Closed}})},
    {"late_fin_is_refused_as_closed", false, after_reset({{'>', "FA", 1, 1, 0, Late, Closed}})},
    {"late_reset_is_refused_as_closed", false, after_reset({{'<', "R", 1, 0, 0, Late, Closed}})},
    {"late_syn_ack_is_refused_as_closed", false, after_reset({{'<', "SA", 0, 1, 0, Late, Closed}})},
    {"clean_syn_reopens_at_once", false, after_reset({{'>', "S", 900, 0, 0, Reopens, Closed}})},
    {"clean_syn_of_the_other_side_reopens_too", false,
     after_reset({{'<', "S", 900, 0, 0, Reopens, Closed}})},
};

// SYN in an open connection, RFC 5961 section 4.
const std::vector<Story> kChallenges = {
    {"syn_in_an_open_connection_changes_nothing", false,
     after_handshake({{'>', "S", 400'000'000, 0, 0, Ignored, Established},
                      {'<', "A", 1, 1, 0, Passes, Established},
                      {'>', "PA", 1, 1, 100, Passes, Established}})},
    {"syn_of_the_other_side_changes_nothing", true,
     after_handshake({{'<', "S", 400'000'000, 0, 0, Ignored, Established},
                      {'<', "PA", 1, 1, 100, Passes, Established}})},
    {"syn_ack_in_an_open_connection_changes_nothing", false,
     after_handshake({{'<', "SA", 0, 1, 0, Ignored, Established}})},
    {"syn_while_half_closed_changes_nothing", false,
     after_handshake(
         {{'>', "FA", 1, 1, 0, Passes, FinWait}, {'>', "S", 5'000, 0, 0, Ignored, FinWait}})},
    {"peer_that_forgot_too_refuses_the_new_connection", false,
     after_handshake({{'>', "S", 300'000'000, 0, 0, Ignored, Established},
                      {'<', "RA", 0, 300'000'001, 0, Ignored, Established},
                      {'>', "PA", 1, 1, 100, Passes, Established}})},
    {"reset_far_away_is_dropped_when_nothing_was_asked", false,
     after_handshake({{'<', "RA", 0x80000000u, 300'000'001, 0, OutOfWindow, Established}})},
    {"initiator_cannot_refuse_its_own_challenge", false,
     after_handshake({{'>', "S", 300'000'000, 0, 0, Ignored, Established},
                      {'>', "RA", 0x80000000u, 1, 0, OutOfWindow, Established}})},
    {"rebooted_initiator_comes_back", false,
     after_handshake({{'>', "S", 300'000'000, 0, 0, Ignored, Established},
                      {'<', "A", 1, 1, 0, Passes, Established},
                      {'>', "R", 1, 0, 0, Passes, Closed},
                      {'>', "S", 300'000'000, 0, 0, Reopens, Closed}})},
};

// Windows.
const std::vector<Story> kReplacements = {
    {"both_sides_forgot_the_old_connection", true,
     after_scaled_handshake({{'>', "S", 50'000'000, 0, 0, Ignored, Established},
                             {'<', "SA", 90'000'000, 50'000'001, 0, Passes, SynReceived},
                             {'>', "A", 50'000'001, 90'000'001, 0, Passes, Established},
                             {'>', "PA", 50'000'001, 90'000'001, 900, Passes, Established},
                             {'<', "A", 90'000'001, 50'000'901, 1'460, Passes, Established}})},
    {"the_old_connection_was_closing", true,
     after_handshake({{'>', "FA", 1, 1, 0, Passes, FinWait},
                      {'>', "S", 50'000'000, 0, 0, Ignored, FinWait},
                      {'<', "SA", 90'000'000, 50'000'001, 0, Passes, SynReceived},
                      {'>', "A", 50'000'001, 90'000'001, 0, Passes, Established},
                      {'<', "FA", 90'000'001, 50'000'001, 0, Passes, FinWait},
                      {'>', "FA", 50'000'001, 90'000'002, 0, Passes, Closing}})},
    {"nobody_asked_for_the_answer", true,
     after_handshake({{'<', "SA", 90'000'000, 50'000'001, 0, Ignored, Established},
                      {'<', "A", 1, 1, 100, Passes, Established}})},
    {"the_initiator_does_not_answer_itself", true,
     after_handshake({{'>', "S", 50'000'000, 0, 0, Ignored, Established},
                      {'>', "SA", 50'000'000, 90'000'001, 0, Ignored, Established},
                      {'<', "A", 1, 1, 100, Passes, Established}})},
    {"the_peer_knows_the_old_connection", true,
     after_handshake({{'>', "S", 50'000'000, 0, 0, Ignored, Established},
                      {'<', "A", 1, 1, 0, Passes, Established},
                      {'<', "SA", 90'000'000, 50'000'001, 0, Ignored, Established},
                      {'>', "A", 1, 1, 100, Passes, Established}})},
};

const std::vector<Story> kWindows = {
    {"data_far_ahead_is_counted", false,
     after_handshake({{'>', "A", 100'000, 1, 100, Counted, Established},
                      {'>', "A", 1, 1, 100, Passes, Established}})},
    {"data_far_ahead_is_dropped_if_strict", true,
     after_handshake({{'>', "A", 100'000, 1, 100, OutOfWindow, Established},
                      {'>', "A", 1, 1, 100, Passes, Established}})},
    {"data_far_behind_is_dropped_if_strict", true,
     after_handshake({{'<', "A", 1u - 70'000u, 1, 100, OutOfWindow, Established}})},
    {"data_at_the_edge_of_the_window_passes", true,
     after_handshake({{'>', "A", 60'001, 1, 1, Passes, Established}})},
    {"data_beyond_the_edge_is_dropped_if_strict", true,
     after_handshake({{'>', "A", 60'002, 1, 1, OutOfWindow, Established}})},
    {"ack_of_what_was_never_sent_is_dropped_if_strict", true,
     after_handshake({{'>', "A", 1, 2, 0, OutOfWindow, Established}})},
    {"ack_of_long_ago_is_dropped_if_strict", true,
     after_handshake({{'>', "A", 1, 1u - 70'000u, 0, OutOfWindow, Established}})},
    {"retransmission_passes", true,
     after_handshake({{'>', "A", 1, 1, 1'460, Passes, Established},
                      {'>', "A", 1'461, 1, 1'460, Passes, Established},
                      {'>', "A", 1, 1, 1'460, Passes, Established}})},
    {"keepalive_passes", true,
     after_handshake({{'>', "A", 1, 1, 10, Passes, Established},
                      {'<', "A", 1, 11, 0, Passes, Established},
                      {'>', "A", 10, 1, 0, Passes, Established},
                      {'>', "A", 10, 1, 1, Passes, Established}})},
    {"window_probe_passes", true,
     after_handshake({{'<', "A", 1, 1, 0, Passes, Established, -1, 0},
                      {'>', "A", 1, 1, 1, Passes, Established}})},
    {"scaled_window_lets_far_data_pass", true,
     after_scaled_handshake({{'<', "A", 1, 1, 0, Passes, Established, -1, 60'000},
                             {'>', "A", 7'000'000, 1, 100, Passes, Established}})},
    {"scaled_window_has_an_end", true,
     after_scaled_handshake({{'<', "A", 1, 1, 0, Passes, Established, -1, 60'000},
                             {'>', "A", 8'000'000, 1, 100, OutOfWindow, Established}})},
    {"scale_of_one_side_alone_does_not_count",
     true,
     {{'>', "S", 0, 0, 0, Passes, SynSent, 7},
      {'<', "SA", 0, 1, 0, Passes, SynReceived},
      {'>', "A", 1, 1, 0, Passes, Established},
      {'<', "A", 100'000, 1, 100, OutOfWindow, Established}}},
    {"window_of_a_syn_is_not_scaled",
     true,
     {{'>', "S", 0, 0, 0, Passes, SynSent, 7},
      {'<', "SA", 0, 1, 0, Passes, SynReceived, 7},
      {'>', "A", 1, 1, 0, Passes, Established, -1, 500},
      {'>', "A", 60'002, 1, 100, OutOfWindow, Established}}},
    {"fin_far_outside_does_not_close", false,
     after_handshake({{'>', "FA", 200'000, 1, 0, Counted, Established}})},
};

// Picked up in its middle, CT-23.
const std::vector<Story> kPickUps = {
    {"mid_stream_waits_for_the_other_side",
     false,
     {{'>', "A", 1'000, 5'000, 100, Passes, SynReceived},
      {'>', "A", 1'100, 5'000, 100, Passes, SynReceived},
      {'<', "A", 5'000, 1'200, 0, Passes, Established},
      {'>', "A", 1'200, 5'000, 0, Passes, Established}}},
    {"mid_stream_guesses_generously",
     true,
     {{'>', "A", 1'000, 5'000, 100, Passes, SynReceived, -1, 500},
      {'<', "A", 90'000, 1'100, 1'000, Passes, Established, -1, 500},
      {'>', "A", 1'100, 120'000, 0, Passes, Established, -1, 500}}},
    {"mid_stream_fin_of_one_side_alone_moves_nothing",
     false,
     {{'>', "A", 1'000, 5'000, 0, Passes, SynReceived},
      {'>', "FA", 1'000, 5'000, 0, Passes, SynReceived},
      {'<', "A", 5'000, 1'001, 0, Passes, Established},
      {'<', "FA", 5'000, 1'001, 0, Passes, FinWait},
      {'>', "A", 1'001, 5'001, 0, Passes, TimeWait}}},
    {"mid_stream_reset_at_the_acknowledged_number_closes",
     false,
     {{'>', "A", 1'000, 5'000, 0, Passes, SynReceived}, {'<', "R", 5'000, 0, 0, Passes, Closed}}},
    {"mid_stream_reset_elsewhere_is_ignored",
     false,
     {{'>', "A", 1'000, 5'000, 0, Passes, SynReceived},
      {'<', "R", 5'001, 0, 0, Ignored, SynReceived}}},
};

std::string story_name(const testing::TestParamInfo<std::tuple<Story, Direction>>& info) {
  const auto& [story, direction] = info.param;
  return std::string(story.name) + (direction == Direction::Ingress ? "_in" : "_out");
}

const auto kBothWays = testing::Values(Direction::Ingress, Direction::Egress);

INSTANTIATE_TEST_SUITE_P(Openings, TcpStory,
                         testing::Combine(testing::ValuesIn(kOpenings), kBothWays), story_name);
INSTANTIATE_TEST_SUITE_P(Refusals, TcpStory,
                         testing::Combine(testing::ValuesIn(kRefusals), kBothWays), story_name);
INSTANTIATE_TEST_SUITE_P(Closings, TcpStory,
                         testing::Combine(testing::ValuesIn(kClosings), kBothWays), story_name);
INSTANTIATE_TEST_SUITE_P(Resets, TcpStory, testing::Combine(testing::ValuesIn(kResets), kBothWays),
                         story_name);
INSTANTIATE_TEST_SUITE_P(LateOnes, TcpStory,
                         testing::Combine(testing::ValuesIn(kLateOnes), kBothWays), story_name);
INSTANTIATE_TEST_SUITE_P(Challenges, TcpStory,
                         testing::Combine(testing::ValuesIn(kChallenges), kBothWays), story_name);
INSTANTIATE_TEST_SUITE_P(Replacements, TcpStory,
                         testing::Combine(testing::ValuesIn(kReplacements), kBothWays), story_name);
INSTANTIATE_TEST_SUITE_P(Windows, TcpStory,
                         testing::Combine(testing::ValuesIn(kWindows), kBothWays), story_name);
INSTANTIATE_TEST_SUITE_P(PickUps, TcpStory,
                         testing::Combine(testing::ValuesIn(kPickUps), kBothWays), story_name);

TEST(Conntrack, refuses_impossible_flags_in_a_connection_too) {
  FlowState state{};
  TrackedPacket packet;
  packet.tcp_flags = TcpFlags::kSyn;
  begin_flow(state, packet);
  packet.tcp_flags = TcpFlags::kSyn | TcpFlags::kFin;
  const TrackOutcome outcome = track(state, packet, false);
  EXPECT_FALSE(outcome.passes);
  EXPECT_EQ(outcome.reason, DropReason::MalformedTcpFlags);
}

TEST(Conntrack, lets_a_syn_with_ecn_and_data_begin) {
  FlowState state{};
  TrackedPacket packet;
  packet.tcp_flags = TcpFlags::kSyn | TcpFlags::kEce | TcpFlags::kCwr;
  packet.payload_size = 10;
  ASSERT_EQ(first_packet(packet, true), FirstPacket::MayBegin);
  begin_flow(state, packet);
  EXPECT_EQ(state.flow_phase(), FlowPhase::SynSent);
}

TEST(Conntrack, leaves_an_accounted_flow_as_it_is) {
  FlowState state{};
  state.phase = static_cast<std::uint8_t>(FlowPhase::Accounted);
  TrackedPacket packet;
  packet.tcp_flags = TcpFlags::kRst;
  EXPECT_TRUE(track(state, packet, true).passes);
  EXPECT_EQ(state.flow_phase(), FlowPhase::Accounted);
}

TEST(Conntrack, keeps_icmp_single_and_marks_the_reply) {
  FlowState state{};
  TrackedPacket packet;
  packet.proto = Proto::Icmp;
  packet.icmp_type = IcmpType::kEcho;
  packet.direction = Direction::Egress;
  begin_flow(state, packet);
  EXPECT_EQ(state.initiator(), Direction::Egress);
  EXPECT_FALSE(state.has(FlowState::kReplySeen));
  packet.icmp_type = IcmpType::kEchoReply;
  packet.direction = Direction::Ingress;
  EXPECT_TRUE(track(state, packet, true).passes);
  EXPECT_EQ(state.flow_phase(), FlowPhase::Single);
  EXPECT_TRUE(state.has(FlowState::kReplySeen));
}

TEST(Revoked, drops_datagrams_as_well_and_knows_why) {
  FlowState state{};
  TrackedPacket packet;
  packet.proto = Proto::Udp;
  begin_flow(state, packet);
  state.l7 = FlowState::kL7Known | 4;
  revoke_flow(state, DropReason::AppMismatch);
  EXPECT_TRUE(state.is_revoked());
  EXPECT_TRUE(state.looks_closer());
  EXPECT_EQ(state.revoked_reason(), DropReason::AppMismatch);
  EXPECT_EQ(state.app(), 4) << "what it was stays known";
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    packet.direction = direction;
    EXPECT_FALSE(track_plain(state, packet));
    const TrackOutcome outcome = track(state, packet, false);
    EXPECT_FALSE(outcome.passes);
    EXPECT_FALSE(outcome.refreshes);
  }
}

TEST(FlowState, has_room_for_every_rule_and_for_none) {
  FlowState state{};
  state.l7 = 0xff;
  state.set_rule(RuleIndex(kRulesMax - 1));
  EXPECT_EQ(state.rule_index(), RuleIndex(kRulesMax - 1));
  state.set_rule(RuleIndex::none());
  EXPECT_TRUE(state.rule_index().is_none());
  EXPECT_EQ(state.l7, 0xffu);
}

TEST(LogFlags, are_those_of_fl_15) {  // FL-15
  const auto shown = [](std::uint8_t tcp_flags) {
    TrackedPacket packet;
    packet.tcp_flags = tcp_flags;
    return shown_log_flags(log_flags_of(packet));
  };
  EXPECT_EQ(shown(TcpFlags::kSyn), 2);
  EXPECT_EQ(shown(TcpFlags::kSyn | TcpFlags::kAck), 18);
  EXPECT_EQ(shown(TcpFlags::kFin | TcpFlags::kAck), 1);
  EXPECT_EQ(shown(TcpFlags::kRst), 4);
  EXPECT_EQ(shown(TcpFlags::kRst | TcpFlags::kAck), 4);
  EXPECT_EQ(shown(TcpFlags::kAck | TcpFlags::kPsh), 0);
  EXPECT_EQ(shown(TcpFlags::kSyn | TcpFlags::kEce), 2);
}

TEST(LogFlags, of_a_short_connection_are_3_and_19) {  // FL-15
  EXPECT_EQ(shown_log_flags(1 | 2), 3);
  EXPECT_EQ(shown_log_flags(1 | 8), 19);
}

TEST(LogFlags, are_none_where_there_is_no_tcp) {
  TrackedPacket packet;
  packet.proto = Proto::Udp;
  packet.tcp_flags = 0xff;
  EXPECT_EQ(log_flags_of(packet), 0);
}

}  // namespace
}  // namespace sluice
