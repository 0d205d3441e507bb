#pragma once

// What stage_express.* knows of the packets of a burst, in columns, so that eight of them are
// hashed at once and the next packet's bucket is on its way while one is looked at. One lane for
// each family; the headers themselves stay in their frames and are read again where they lie.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/ids.h"
#include "base/limits.h"
#include "base/verdict.h"
#include "dataplane/plain_columns.h"
#include "flowtable/flow_bucket.h"
#include "flowtable/flow_key.h"
#include "flowtable/flow_state.h"
#include "lookup/policy_snapshot.h"

namespace sluice {

// Which bursts are looked through for packets to take. Where others than Paying are tests that
// compare both ways.
enum class ExpressUse : std::uint8_t { Never, Paying, Always };

// Where a packet is judged and by which device it goes on.
struct ExpressPacket {
  const InterfaceRow* row = nullptr;
  NicIndex out;
  Direction direction = Direction::Egress;
  std::uint8_t place = 0;  // in the burst
};
static_assert(sizeof(ExpressPacket) == 16);

template <class Key>
struct ExpressLane {
  std::uint64_t named;       // bit k: packet k belongs to a conversation of TCP or UDP
  std::uint64_t candidates;  // and may be taken: it has values in all columns
  std::array<std::uint64_t, kBurstMax> hashes;  // owner_hash(); of all that are named
  std::array<ExpressPacket, kBurstMax> packets;
  std::array<Key, kBurstMax> keys;
  std::array<FlowPlace, kBurstMax> places;
  std::array<FlowState*, kBurstMax> flows;  // what guess() gave
};

struct ExpressLanes {
  ExpressUse use = ExpressUse::Paying;
  std::array<std::uint8_t, kNicsMax> pauses{};  // by NicIndex: bursts that are not looked through
  PlainColumns columns;
  ExpressLane<Ipv4FlowKey> ipv4;  // by place in the burst
  ExpressLane<Ipv6FlowKey> ipv6;  // one behind the other
  std::size_t ipv6_count = 0;
  std::array<std::array<std::uint64_t, kBurstMax>, 5> ipv6_words;  // owner_words()
};

}  // namespace sluice
