#pragma once

// The hello inside of QUIC Initial packets, version 1 and 2 (RFC 9000, 9001, 9369).
//
// An Initial is sealed with keys that follow from the client's first connection id: everybody on
// the way can open it. The hello lies in CRYPTO frames, in any order, of one or several packets
// and datagrams (post-quantum key shares exceed one). They are copied to where they belong in
// memory of the caller; a bounded list remembers what is there.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lookup/l7_names.h"
#include "lookup/l7_patterns.h"

namespace sluice {

// The hello of one connection under way; about 200 bytes. Used by one worker.
class QuicHello {
 public:
  static constexpr std::uint32_t kUnboundedOpenings = 0xffffffffu;

  // `storage`, at most kL7HelloBytes are used, is the caller's and outlives the hello. At most
  // `openings_max` times it tries to open a packet.
  explicit QuicHello(std::span<std::uint8_t> storage,
                     std::uint32_t openings_max = kUnboundedOpenings)
      : storage_(storage), openings_max_(openings_max) {}

  // Adds one datagram of the initiator and says what is known now. NeedMore: hand in the next one.
  // Malformed: a packet does not open or exceeds 1500 bytes, breaks RFC 9000, has overlapping bytes
  // that differ, or a hello that does not fit; None: another version of QUIC, or a hello without a
  // name. Once it is not NeedMore it stays. 5.6 us for each opening of 1,200 bytes, of which one
  // datagram takes up to kOpeningsPerDatagram.
  NameAnswer add(std::span<const std::uint8_t> datagram, L7Scratch& scratch);

  // How often it has tried to open a packet.
  std::uint32_t openings() const { return openings_; }
  // True once there was a packet more to open than it may: what add() says since, NeedMore, does
  // not tell what the datagrams hold.
  bool is_spent() const { return is_spent_; }

  static constexpr std::size_t kRangesMax = 16;
  static constexpr std::size_t kConnectionIdMax = 20;
  static constexpr std::uint32_t kPacketsMax = 4;  // coalesced in one datagram that are looked at
  // Two keys may be asked: those of the first connection id, and those behind a Retry.
  static constexpr std::uint32_t kOpeningsPerDatagram = 2 * kPacketsMax;

  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };

 private:
  NameState add_packet(std::span<const std::uint8_t> packet_bytes, L7Scratch& scratch,
                       std::size_t& taken);
  bool may_open();
  bool read_frames(std::span<const std::uint8_t> frames);
  bool place(std::uint64_t offset, std::span<const std::uint8_t> piece);
  bool join(Range added);
  void keep_connection_id(std::span<const std::uint8_t> id);
  std::span<const std::uint8_t> connection_id() const {
    return std::span(connection_id_).first(connection_id_size_);
  }
  std::size_t ready_bytes() const;

  std::span<std::uint8_t> storage_;
  std::uint32_t openings_max_;
  std::uint32_t openings_ = 0;
  bool is_spent_ = false;
  std::array<Range, kRangesMax> ranges_{};
  std::uint32_t range_count_ = 0;
  std::uint32_t version_ = 0;
  std::array<std::uint8_t, kConnectionIdMax> connection_id_{};
  std::uint8_t connection_id_size_ = 0;
  bool has_connection_id_ = false;
  bool is_done_ = false;
  NameState done_state_ = NameState::NeedMore;
};

}  // namespace sluice
