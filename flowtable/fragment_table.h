#pragma once

// Virtual reassembly (CT-22). No packet is put together; the first fragment lends its ports and its
// verdict to the others, and every shape that could make a receiver see something else is refused:
// overlap, tiny first fragment, too long.
//
// The fragments of one datagram are a train:
//
//                 first fragment           set_verdict()
//      Waiting -------------------> Judging ------------> Passed, Refused ----> gone when complete
//         |                            |                        |
//         `--- overlap, tiny, ... -----+------------------------+-> Ended: all later pieces are
//                                                                   dropped for the same reason
//      any --- 30 s (IPv4), 60 s (IPv6) after its first piece ---> gone, what is held is dropped
//
// A piece that comes before the verdict is held by the caller and given back by release(). All
// memory is taken in the constructor. Bounded are: pieces of a train, packets held of a train, and
// trains and packets held of a source, of a destination, of a device, and in all. So a flood takes
// the room of its own source, of the interface that it comes from or goes to, and of the device
// that it comes by, and no more. A train too many takes the place of the oldest one of its own
// share; a packet too many is dropped. Sources and destinations are counted in buckets of a keyed
// hash: those that share one share its limits, as do devices whose numbers are 256 apart.
//
// One owner thread; time is an argument. Every call costs a bounded amount of work.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/address.h"
#include "base/clock.h"
#include "base/drop_reason.h"
#include "base/flow_hash.h"
#include "base/ids.h"
#include "base/proto.h"

namespace sluice {

struct FragmentKey {
  IpAddr source;
  IpAddr destination;
  std::uint32_t id = 0;
  std::uint16_t nic = 0;     // the device it came by: trains of two devices never mix
  Proto proto = Proto::Udp;  // IPv4 only; NoNext for IPv6 (RFC 8200: the key is source, dest, id)
  bool operator==(const FragmentKey&) const = default;
};

struct FragmentPiece {
  std::uint32_t offset = 0;  // bytes from the begin of the fragmentable part
  std::uint32_t size = 0;    // bytes of it in this fragment
  bool last = false;         // no more fragments behind it
  // Of the first fragment (offset 0): what the transport header said.
  Proto proto = Proto::Udp;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
};

// An opaque handle of a held packet (the caller's index into its own pool).
using HeldIndex = std::uint32_t;
inline constexpr HeldIndex kNoHeld = 0xffffffffu;

struct FragmentAnswer {
  enum class Kind : std::uint8_t {
    Judge,   // a first fragment: judge it, then call set_verdict()
    Follow,  // the first is known: proto and ports below; judge it like the first, same flow
    Hold,    // the first is not judged yet: keep the packet, it is given back by release()
    Drop,    // reason says why
  };
  Kind kind = Kind::Drop;
  DropReason reason = DropReason::None;  // of Drop, and of Follow if the first was refused
  Proto proto = Proto::Udp;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  bool first_passed = false;  // Follow: the verdict of the first (false: drop, fragment-refused)
  std::uint32_t note = 0;     // Follow: what set_verdict() was told of the first
};

struct FragmentTableConfig {
  std::uint32_t trains_max = 4'096;  // datagrams under way
  std::uint32_t pieces_max = 64;     // fragments of one datagram (ranges remembered)
  std::uint32_t held_max = 1'024;    // packets held in all
  std::uint32_t held_per_train_max = 32;
  // Of these: a source, a destination, a device. At least 1 each.
  std::uint32_t held_per_source_max = 128;
  std::uint32_t held_per_destination_max = 256;
  std::uint32_t held_per_nic_max = 512;
  std::uint32_t trains_per_source_max = 512;
  std::uint32_t trains_per_destination_max = 1'024;
  std::uint32_t trains_per_nic_max = 3'072;
  HashKey key{};
};

class FragmentTable {
 public:
  static constexpr std::uint32_t kDatagramSizeMax = 65'535;
  static constexpr std::uint32_t kIpv4TimeoutMs = 30'000;
  static constexpr std::uint32_t kIpv6TimeoutMs = 60'000;

  // Takes all memory now. Every limit must be at least 1.
  explicit FragmentTable(const FragmentTableConfig& config);
  ~FragmentTable();
  FragmentTable(const FragmentTable&) = delete;
  FragmentTable& operator=(const FragmentTable&) = delete;

  // Judges the shape. `held` is the caller's handle, kept when the answer is Hold. A piece that is
  // first and last at once is an ordinary packet: Judge, and nothing is remembered (RFC 6946). An
  // impossible length is dropped alone and leaves no trace.
  FragmentAnswer add(const FragmentKey& key, const FragmentPiece& piece, HeldIndex held,
                     TickMs now);
  // After a Judge: whether the first fragment passed, and what the caller wants to know of it when
  // others follow. Held packets of the train become ready. A train that is gone or ended meanwhile
  // is left as it is.
  void set_verdict(const FragmentKey& key, bool passed, TickMs now, std::uint32_t note = 0);
  // Takes held packets that are ready to be judged (their train's first came) or whose time is
  // over / whose train was refused: fills `out`, returns how many. In the order in which they
  // became ready, pieces of one train in the order in which they came.
  struct Released {
    HeldIndex held = kNoHeld;
    FragmentAnswer answer;  // Follow or Drop
  };
  std::size_t release(TickMs now, std::span<Released> out);
  // Everything still held, at the end of a run: as release(), with fragment-timeout. Call until it
  // returns 0.
  std::size_t release_all(std::span<Released> out);

  std::size_t trains() const { return train_count_; }
  std::size_t held() const { return held_count_; }  // until given back

 private:
  using Index = std::uint32_t;
  static constexpr Index kNone = 0xffffffffu;
  static constexpr unsigned kExpiredPerCall = 32;  // trains that one release() may end

  // What a train takes its part of, by index: a source, a destination, a device.
  static constexpr std::size_t kShareKinds = 3;
  using ShareIndexes = std::array<std::uint32_t, kShareKinds>;
  static constexpr std::uint32_t kNicShares = 256;

  enum class Stage : std::uint8_t { Waiting, Judging, Passed, Refused, Ended };
  struct Range {
    std::uint32_t begin;
    std::uint32_t end;
  };
  // Held packets that wait for the same thing, in order of arrival.
  struct HeldList {
    Index head = kNone;
    Index tail = kNone;
  };
  // Trains by age, of a family or of a share: doubly linked, so that any of them may go.
  struct AgeList {
    Index oldest = kNone;
    Index newest = kNone;
  };
  struct AgeLink {
    Index older = kNone;
    Index newer = kNone;
  };
  struct Share {
    std::uint32_t held = 0;
    std::uint32_t trains = 0;
    AgeList ages;
  };
  struct Train {
    FragmentKey key;
    Index next_in_bucket = kNone;  // while free: the next free train
    AgeLink of_family;
    std::array<AgeLink, kShareKinds> of_shares;
    ShareIndexes shares{};
    TickMs begun_ms = 0;
    Stage stage = Stage::Waiting;
    DropReason end_reason = DropReason::None;
    bool last_seen = false;
    Proto proto = Proto::Udp;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint32_t note = 0;
    std::uint32_t piece_count = 0;
    std::uint32_t bytes_seen = 0;
    std::uint32_t end = 0;  // of the datagram if last_seen, else of what was seen
    std::uint32_t held_count = 0;
    HeldList held;
  };
  struct HeldPacket {
    HeldIndex handle = kNoHeld;
    Index next = kNone;
    ShareIndexes shares{};
    FragmentAnswer answer;
  };
  enum class Placed : std::uint8_t { New, Duplicate, Overlap, Impossible, TooMany };

  std::uint32_t bucket_of(const FragmentKey& key) const;
  std::uint32_t share_bucket_of(const IpAddr& address) const;
  ShareIndexes shares_of(const FragmentKey& key) const;
  Share& share(std::size_t kind, const ShareIndexes& indexes) {
    return shares_[kind][indexes[kind]];
  }
  const Share& share(std::size_t kind, const ShareIndexes& indexes) const {
    return shares_[kind][indexes[kind]];
  }
  // `link` tells which of a train's links belongs to the list.
  template <class Link>
  void append(AgeList& ages, Index train, Link&& link);
  template <class Link>
  void unlink(AgeList& ages, Index train, Link&& link);
  AgeList& ages_of(const Train& train) { return ages_[train.key.source.is_v4() ? 0 : 1]; }
  std::span<Range> ranges_of(Index train);

  Index find(const FragmentKey& key, TickMs now);
  Index begin_train(const FragmentKey& key, const ShareIndexes& shares, TickMs now);
  void make_room_for_train(const ShareIndexes& shares);
  void forget_train(Index train, DropReason held_reason);
  bool expire_oldest(AgeList& ages, TickMs now);
  static bool is_over(const Train& train, TickMs now);

  Placed place(Index train, const FragmentPiece& piece);
  Placed insert_range(Index train, Range range);
  void end_train(Train& train, DropReason reason);
  bool has_room(const ShareIndexes& shares) const;
  void hold(Train& train, HeldIndex handle);
  void make_ready(Train& train, const FragmentAnswer& answer);
  std::size_t give_back(std::span<Released> out);
  FragmentAnswer first_piece(Train& train, const FragmentPiece& piece);
  FragmentAnswer later_piece(Index index, HeldIndex held);
  static FragmentAnswer drop(DropReason reason);
  static FragmentAnswer follow(const Train& train);
  static bool is_complete(const Train& train);

  const FragmentTableConfig config_;
  const std::uint32_t bucket_mask_;
  const std::uint32_t share_mask_;  // of sources and of destinations
  const ShareIndexes held_max_;
  const ShareIndexes trains_max_;
  std::unique_ptr<Index[]> buckets_;
  std::unique_ptr<Train[]> trains_;
  std::unique_ptr<Range[]> ranges_;  // pieces_max for each train, in order of offset
  std::unique_ptr<HeldPacket[]> packets_;
  std::array<std::unique_ptr<Share[]>, kShareKinds> shares_;
  std::array<AgeList, 2> ages_;  // IPv4, IPv6: all of one have one timeout, the oldest ends first
  HeldList ready_;
  Index free_train_ = kNone;
  Index free_packet_ = kNone;
  std::size_t train_count_ = 0;
  std::size_t held_count_ = 0;
};

}  // namespace sluice
