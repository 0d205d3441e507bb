#include "flowtable/tcp_window.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr std::uint8_t kAck = TcpFlags::kAck;

TrackedPacket segment(Direction direction, std::uint8_t flags, std::uint32_t sequence,
                      std::uint32_t acknowledgment, std::uint32_t size = 0) {
  TrackedPacket packet;
  packet.direction = direction;
  packet.tcp_flags = flags;
  packet.sequence = sequence;
  packet.acknowledgment = acknowledgment;
  packet.payload_size = size;
  packet.window = 1'000;
  return packet;
}

// Egress has sent up to 101 and may go to 1'001; ingress has sent up to 501, may go to 1'501.
FlowState open_state() {
  FlowState state{};
  state.bits = FlowState::kReplySeen;
  state.sequence_end[0] = 501;
  state.sequence_end[1] = 101;
  state.window_end[0] = 1'501;
  state.window_end[1] = 1'001;
  return state;
}

TEST(Sequence, compares_on_the_circle) {
  EXPECT_TRUE(sequence_before(0xfffffff0u, 5));
  EXPECT_FALSE(sequence_before(5, 0xfffffff0u));
  EXPECT_FALSE(sequence_before(5, 5));
}

TEST(SegmentEnd, counts_syn_and_fin) {
  EXPECT_EQ(segment_end(segment(Direction::Ingress, kAck, 10, 0, 5)), 15u);
  EXPECT_EQ(segment_end(segment(Direction::Ingress, TcpFlags::kSyn, 10, 0, 5)), 16u);
  EXPECT_EQ(segment_end(segment(Direction::Ingress, TcpFlags::kFin | kAck, 0xffffffffu, 0)), 0u);
}

TEST(SegmentFit, is_exact_at_the_next_byte_only) {
  const FlowState state = open_state();
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 101, 501)), SegmentFit::Exact);
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 100, 501)), SegmentFit::Within);
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 102, 501)), SegmentFit::Within);
}

TEST(SegmentFit, ends_behind_the_receivers_edge) {
  const FlowState state = open_state();
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 1'001, 501)), SegmentFit::Within);
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 1'002, 501)), SegmentFit::Outside);
}

TEST(SegmentFit, reaches_back_64_kib_at_least) {
  const FlowState state = open_state();
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 101u - 65'536u, 501)),
            SegmentFit::Within);
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 100u - 65'536u, 501)),
            SegmentFit::Outside);
}

TEST(SegmentFit, reaches_back_as_far_as_the_largest_window) {
  FlowState state = open_state();
  state.tcp_marks = 20;  // a window of up to 1 MiB was seen
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 101u - (1u << 20), 501)),
            SegmentFit::Within);
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 100u - (1u << 20), 501)),
            SegmentFit::Outside);
}

TEST(SegmentFit, asks_for_an_ack_of_what_was_sent) {
  const FlowState state = open_state();
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 101, 502)), SegmentFit::Outside);
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 101, 500u - 65'536u)),
            SegmentFit::Outside);
}

TEST(SegmentFit, does_not_look_at_the_ack_of_a_reset) {
  const FlowState state = open_state();
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, TcpFlags::kRst | kAck, 101, 9'999)),
            SegmentFit::Exact);
}

TEST(SegmentFit, has_nothing_to_compare_with_until_both_were_heard) {
  FlowState state = open_state();
  state.bits = 0;
  EXPECT_EQ(fit_of(state, segment(Direction::Egress, kAck, 0x40000000u, 0x40000000u)),
            SegmentFit::Within);
}

TEST(Windows, grow_by_what_a_segment_says_and_never_shrink) {
  FlowState state = open_state();
  advance_windows(state, segment(Direction::Egress, kAck, 101, 501, 50));
  EXPECT_EQ(state.sequence_end[1], 151u);
  EXPECT_EQ(state.window_end[0], 1'501u);
  advance_windows(state, segment(Direction::Ingress, kAck, 501, 151, 0));
  EXPECT_EQ(state.window_end[1], 1'151u);
  advance_windows(state, segment(Direction::Ingress, kAck, 400, 51, 0));
  EXPECT_EQ(state.window_end[1], 1'151u);
  EXPECT_EQ(state.sequence_end[0], 501u);
}

TEST(Windows, remember_the_largest_one_by_its_width) {
  FlowState state = open_state();
  state.bits |= FlowState::kScaled;
  state.window_scales = 0x70;  // egress scales by 7
  TrackedPacket packet = segment(Direction::Egress, kAck, 101, 501);
  packet.window = 0xffff;
  advance_windows(state, packet);
  EXPECT_EQ(state.tcp_marks & FlowState::kWindowBitsMask, 23);
  EXPECT_EQ(state.window_end[0], 501u + (0xffffu << 7));
}

TEST(Windows, take_a_scale_beyond_14_for_14) {
  FlowState state{};
  TrackedPacket syn = segment(Direction::Egress, TcpFlags::kSyn, 0, 0);
  syn.window_scale = 100;
  begin_windows(state, syn);
  EXPECT_EQ(state.window_scales >> 4, 14);
}

}  // namespace
}  // namespace sluice
