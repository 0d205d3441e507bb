#pragma once

// The first payload bytes of conversations that are being identified and whose first packet did not
// tell: kept in order, by direction, until they do.
//
//   slot   | whose | since | packets | ingress: base, buffer, pieces | egress: the same |
//   piece  [begin, end) of the bytes that are there; the first one counts once it begins at 0
//   buffer 2 KiB, or 16 KiB where a message is longer
//
// TCP segments may come in any order, twice, overlapping, one byte each. What comes again must be
// what came before: a difference means that somebody tries to show us other bytes than the receiver
// sees, and is told (Conflict). Datagrams are put one behind the other by their caller.
//
// All of it is bounded and taken in the constructor: slots, buffers, pieces of a direction. Full is
// an answer. One owner thread. The key is any address that stays the conversation's own until
// close(), such as that of its FlowState.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/verdict.h"
#include "flowtable/flow_event.h"
#include "flowtable/zeroed_memory.h"

namespace sluice {

struct FirstBytesConfig {
  std::uint16_t slots = 4'096;          // conversations at a time, at most 32,768
  std::uint16_t small_buffers = 8'192;  // two for each slot: nobody can take another's
  std::uint16_t large_buffers = 512;
};

class FirstBytes {
 public:
  static constexpr std::uint32_t kBytesMax = 16'384;  // of one direction
  static constexpr std::uint32_t kSmallBuffer = 2'048;
  static constexpr std::size_t kPiecesMax = 8;  // of one direction
  static constexpr std::uint16_t kNone = 0xffff;

  struct Side {
    bool has_base = false;
    bool is_large = false;
    bool is_settled = false;  // the caller's mark: more bytes of it would tell nothing
    std::uint8_t piece_count = 0;
    std::uint16_t buffer = kNone;
    std::uint32_t base = 0;  // sequence number of the first byte
    std::array<std::uint16_t, kPiecesMax> begins{};
    std::array<std::uint16_t, kPiecesMax> ends{};
  };
  struct Slot {
    void* key = nullptr;
    TickMs since_ms = 0;
    std::uint32_t owner = 0;  // the caller's: the interface
    // The caller's: how many packets were looked at, how many of them could tell nothing more; what
    // the conversation may still be, and is (numbers of lookup/l7_app.h); a signature that matched.
    std::uint32_t packets = 0;
    std::uint32_t idle_packets = 0;
    std::uint64_t candidates = ~std::uint64_t{0};
    std::uint16_t signature = FlowFacts::kNoSignature;
    std::uint8_t app = 0;
    bool is_judged = false;
    bool is_named = false;
    std::array<Side, 2> sides;  // by Direction
    // Private to FirstBytes.
    std::uint16_t next_in_bucket = kNone;
    std::uint16_t older = kNone;
    std::uint16_t newer = kNone;
  };

  enum class Added : std::uint8_t {
    Grown,     // the bytes from the first one on are more than before
    Kept,      // kept for later, or nothing new
    Beyond,    // behind kBytesMax, or before the first byte: not kept
    Conflict,  // other bytes than those that came before
    NoRoom,    // no buffer, or too many pieces
  };

  enum class Buffer : std::uint8_t { Small, Large };

  explicit FirstBytes(const FirstBytesConfig& config = FirstBytesConfig());
  FirstBytes(const FirstBytes&) = delete;
  FirstBytes& operator=(const FirstBytes&) = delete;

  // The slot of the conversation, or null.
  Slot* find(const void* key);
  // A fresh slot for a key that find() does not know; null: all are taken.
  Slot* open(void* key, TickMs now);
  // Gives the slot and its buffers back; nothing where there is none.
  void close(const void* key);
  // The one that was opened first, or null.
  Slot* oldest() { return oldest_ == kNone ? nullptr : &slots_[oldest_]; }

  // `sequence`: of bytes[0], on the circle of TCP's numbers. Requires sides[direction].has_base.
  // `most`: a side that has no large buffer yet gets none beyond it.
  Added add(Slot& slot, Direction direction, std::uint32_t sequence,
            std::span<const std::uint8_t> bytes, Buffer most = Buffer::Large);
  // What is there without a gap from the first byte on. Valid until add() or close().
  std::span<const std::uint8_t> bytes_of(const Slot& slot, Direction direction) const;

  std::size_t size() const { return size_; }
  std::size_t capacity() const { return slots_.size(); }
  std::size_t large_capacity() const { return large_.size() / kBytesMax; }

 private:
  struct FreeList {
    explicit FreeList(std::uint16_t count);
    std::uint16_t take();  // kNone: none is left
    void give(std::uint16_t number) { free.push_back(number); }
    std::vector<std::uint16_t> free;  // never grows beyond its first size
  };

  std::uint16_t& bucket_of(const void* key);
  std::uint8_t* buffer_of(const Side& side) const;
  bool make_room(Side& side, std::uint32_t end, Buffer most);
  void give_back(Side& side);
  bool differs(const Side& side, std::uint32_t begin, std::span<const std::uint8_t> bytes) const;
  static bool insert_piece(Side& side, std::uint32_t begin, std::uint32_t end);

  std::vector<Slot> slots_;
  std::vector<std::uint16_t> buckets_;
  FreeList free_slots_;
  FreeList free_small_;
  FreeList free_large_;
  ZeroedMemory small_;
  ZeroedMemory large_;
  std::uint16_t oldest_ = kNone;
  std::uint16_t newest_ = kNone;
  std::size_t size_ = 0;
};

}  // namespace sluice
