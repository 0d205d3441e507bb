#include "dataplane/plain_columns.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "base/proto.h"
#include "dataplane/wire.h"

#if defined(__GNUC__) && !defined(__clang__)
// As in flow_hash_burst.cc. Vectors are handed over between functions that are all inlined.
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace sluice {
namespace {

static_assert(std::endian::native == std::endian::little);

using Column = PlainColumns::Column<std::uint32_t>;
using Words4 = std::uint32_t __attribute__((vector_size(16)));
using Words8 = std::uint32_t __attribute__((vector_size(32)));

// Words of the frames in host order, by place.
//
//      14        18        22        26        30        34        38        42        46
//      +---------+---------+---------+---------+---------+---------+---------+---------+---------+
//      | version | id      | TTL     | source  | desti-  | ports   | UDP len | ack     | TCP     |
//      | … total | fragment| pro sum |         | nation  |         | or seq  |         | flags … |
//      +---------+---------+---------+---------+---------+---------+---------+---------+---------+
struct alignas(kCacheLine) RawColumns {
  std::array<Column, 8> words;  // all but the last
  Column tcp_flags;             // header size << 28, flags << 16, window
  Column size;                  // of the frame behind its Ethernet header
  Column readable;              // bytes that may be read behind the IP header
};
enum RawWord : std::size_t { kTotal, kFragment, kProto, kSource, kDestination, kPorts, kUdpLength };

constexpr std::size_t kIp = sizeof(EthernetHeader);
constexpr std::size_t kTransport = kIp + sizeof(Ipv4Header);
constexpr std::size_t kTcpFlags = kTransport + offsetof(TcpHeader, offset);
constexpr std::size_t kReadable = kTransport + sizeof(TcpHeader);
constexpr std::uint8_t kNoFrame[kReadable] = {};

[[gnu::always_inline]] inline Words4 words_at(const std::uint8_t* bytes) {
  using Bytes16 = std::uint8_t __attribute__((vector_size(16)));
  Bytes16 wire;
  std::memcpy(&wire, bytes, sizeof wire);
  return std::bit_cast<Words4>(
      __builtin_shufflevector(wire, wire, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
}

// Four rows of four words become four columns, at place `i`.
[[gnu::always_inline]] inline void turn(const std::array<Words4, 4>& rows, Column* columns,
                                        std::size_t i) {
  const Words4 low01 = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
  const Words4 low23 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
  const Words4 high01 = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
  const Words4 high23 = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
  const std::array<Words4, 4> turned = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                                        __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                                        __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                                        __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
  for (std::size_t c = 0; c < 4; ++c) std::memcpy(columns[c].data() + i, &turned[c], 16);
}

// What of a short frame may be read, with zeros behind it.
using Padded = std::array<std::uint8_t, kReadable>;
[[gnu::noinline]] const std::uint8_t* pad(const Frame& frame, Padded& padded) {
  padded = {};
  std::memcpy(padded.data(), frame.data, std::min<std::size_t>(frame.contiguous, kReadable));
  return padded.data();
}

// Four frames. Those that are not there, or too short for two ports, are taken for zeros; those
// that are no IPv4 for empty ones. False: all four are, and nothing else was loaded.
[[gnu::always_inline]] inline bool load_four(std::span<const Frame> frames, std::size_t i,
                                             RawColumns& raw) {
  constexpr std::uint32_t kLeast = kTransport + sizeof(UdpHeader);
  std::array<const std::uint8_t*, 4> starts;
  std::array<Padded, 4> padded;
  bool has_any = false;
  for (std::size_t n = 0; n < 4; ++n) {
    std::uint32_t size = 0, readable = 0;
    starts[n] = kNoFrame;
    if (i + n < frames.size() && frames[i + n].contiguous >= kLeast) [[likely]] {
      const Frame& frame = frames[i + n];
      starts[n] = frame.contiguous >= kReadable ? frame.data : pad(frame, padded[n]);
      size = std::min<std::uint32_t>(frame.length - kIp, INT32_MAX);
      readable = std::min<std::uint32_t>(frame.contiguous - kTransport, INT32_MAX);
    }
    const bool is_ipv4 = wire_at<EthernetHeader>(starts[n]).type.host() == EtherType::kIpv4;
    has_any = has_any || is_ipv4;
    raw.size[i + n] = is_ipv4 ? size : 0;
    raw.readable[i + n] = readable;
  }
  if (!has_any) {
    for (std::size_t n = 0; n < 4; ++n) raw.words[kTotal][i + n] = 0;  // no version either
    return false;
  }
  std::array<Words4, 4> first, second;
  for (std::size_t n = 0; n < 4; ++n) {
    raw.tcp_flags[i + n] = wire_at<Be32>(starts[n] + kTcpFlags).host();
    first[n] = words_at(starts[n] + kIp);
    second[n] = words_at(starts[n] + kIp + 16);
  }
  turn(first, raw.words.data(), i);
  turn(second, raw.words.data() + 4, i);
  return true;
}

// All bits of a lane where the comparison holds.
template <class Words, class Mask>
[[gnu::always_inline]] inline Words as_words(const Mask& mask) {
  static_assert(sizeof(Words) == sizeof(Mask));
  return std::bit_cast<Words>(mask);
}

// Of numbers below 2^31, which cost one instruction where others cost two.
template <class Words>
[[gnu::always_inline]] inline Words are_above(const Words& numbers, const Words& others) {
  using Signed [[gnu::vector_size(sizeof(Words))]] = std::int32_t;
  return as_words<Words>(std::bit_cast<Signed>(numbers) > std::bit_cast<Signed>(others));
}

// See is_host().
template <class Words>
[[gnu::always_inline]] inline Words are_hosts(const Words& addresses) {
  const Words first = addresses >> 24, zero{};
  return are_above(first, zero) & are_above(zero + 224, first) & as_words<Words>(first != 127);
}

template <class Words>
[[gnu::always_inline]] inline Words have_right_sums(const RawColumns& raw, std::size_t i) {
  Words sum{};
  for (std::size_t w = kTotal; w <= kDestination; ++w) {
    Words word;
    std::memcpy(&word, raw.words[w].data() + i, sizeof word);
    sum += (word & 0xffff) + (word >> 16);
  }
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return as_words<Words>(sum == 0xffff);
}

// low[n] | high[n] << 32 for each lane.
[[gnu::always_inline]] inline void store_pairs(const Words4& low, const Words4& high,
                                               std::uint64_t* out) {
  const Words4 begin = __builtin_shufflevector(low, high, 0, 4, 1, 5);
  const Words4 end = __builtin_shufflevector(low, high, 2, 6, 3, 7);
  std::memcpy(out, &begin, sizeof begin);
  std::memcpy(out + 2, &end, sizeof end);
}
[[gnu::always_inline]] inline void store_pairs(const Words8& low, const Words8& high,
                                               std::uint64_t* out) {
  const Words8 begin = __builtin_shufflevector(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
  const Words8 end = __builtin_shufflevector(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
  std::memcpy(out, &begin, sizeof begin);
  std::memcpy(out + 4, &end, sizeof end);
}

// A few packets from place `i` on, as many as Words has lanes.
template <class Words>
class Judge {
 public:
  Judge(const RawColumns& raw, PlainColumns& out, std::size_t i) : raw_(raw), out_(out), i_(i) {}

  [[gnu::always_inline]] void run() {
    const Words total = word(kTotal) & 0xffff;
    const Words proto = word(kProto) >> 16 & 0xff;
    const Words is_tcp = as_words<Words>(proto == static_cast<std::uint32_t>(Proto::Tcp));
    const Words is_udp = as_words<Words>(proto == static_cast<std::uint32_t>(Proto::Udp));
    const Words left = total - std::uint32_t{sizeof(Ipv4Header)};
    const Words named = is_named(total) & (is_tcp | is_udp);
    const Words plain = named & ((is_tcp & is_plain_tcp(left)) | (is_udp & is_plain_udp(left))) &
                        are_hosts(word(kSource)) & are_hosts(word(kDestination));
    store((named & PlainColumns::kNamed) | (plain & PlainColumns::kPlain), out_.kind);
    store(word(kSource), out_.source);
    store(word(kDestination), out_.destination);
    store(word(kPorts), out_.ports);
    store(proto, out_.proto);
    name(proto);
  }

 private:
  [[gnu::always_inline]] Words load(const Column& column) const {
    Words words;
    std::memcpy(&words, column.data() + i_, sizeof words);
    return words;
  }
  [[gnu::always_inline]] void store(const Words& words, Column& column) const {
    std::memcpy(column.data() + i_, &words, sizeof words);
  }
  [[gnu::always_inline]] Words word(RawWord which) const { return load(raw_.words[which]); }

  [[gnu::always_inline]] Words is_named(const Words& total) const {
    constexpr std::uint32_t kLeast = sizeof(Ipv4Header) + sizeof(UdpHeader);
    return as_words<Words>(word(kTotal) >> 24 == 0x45) &
           as_words<Words>((word(kFragment) & Ipv4Header::kInPieces) == 0) &
           have_right_sums<Words>(raw_, i_) & ~are_above(Words{} + kLeast, total) &
           ~are_above(total, load(raw_.size));
  }
  [[gnu::always_inline]] Words is_plain_tcp(const Words& left) const {
    constexpr std::uint32_t kAck = TcpFlags::kAck << 16;
    constexpr std::uint32_t kLooked =
        (TcpFlags::kSyn | TcpFlags::kFin | TcpFlags::kRst | TcpFlags::kAck) << 16;
    const Words flags = load(raw_.tcp_flags);
    const Words header = flags >> 28 << 2;
    return as_words<Words>((flags & kLooked) == kAck) &
           ~(are_above(Words{} + std::uint32_t{sizeof(TcpHeader)}, header) |
             are_above(header, left) | are_above(header, load(raw_.readable)));
  }
  [[gnu::always_inline]] Words is_plain_udp(const Words& left) const {
    const Words length = word(kUdpLength) >> 16;
    return ~(are_above(Words{} + std::uint32_t{sizeof(UdpHeader)}, length) |
             are_above(length, left));
  }

  [[gnu::always_inline]] static Words choose(const Words& which, const Words& one,
                                             const Words& other) {
    return (one & which) | (other & ~which);
  }
  // owner_words().
  [[gnu::always_inline]] void name(const Words& proto) const {
    const Words source = word(kSource), destination = word(kDestination);
    const Words from = word(kPorts) >> 16, to = word(kPorts) & 0xffff;
    const Words turned = as_words<Words>(destination < source) |
                         (as_words<Words>(destination == source) & as_words<Words>(to < from));
    store_pairs(choose(turned, source, destination), choose(turned, destination, source),
                out_.first.data() + i_);
    store_pairs(choose(turned, to, from) << 16 | choose(turned, from, to), proto,
                out_.second.data() + i_);
  }

  const RawColumns& raw_;
  PlainColumns& out_;
  const std::size_t i_;
};

template <class Words>
[[gnu::always_inline]] inline void fill(std::span<const Frame> frames, PlainColumns& out) {
  constexpr std::size_t kLanes = sizeof(Words) / sizeof(std::uint32_t);
  constexpr std::size_t kAhead = 8;  // frames whose first lines are on their way
  RawColumns raw;
  for (std::size_t i = 0; i < std::min(kAhead, frames.size()); ++i) prefetch_read(frames[i].data);
  for (std::size_t i = 0; i < frames.size(); i += kLanes) {
    for (std::size_t n = i + kAhead; n < std::min(i + kAhead + kLanes, frames.size()); ++n) {
      prefetch_read(frames[n].data);
    }
    bool has_any = false;
    for (std::size_t n = 0; n < kLanes; n += 4) has_any |= load_four(frames, i + n, raw);
    if (has_any) {
      Judge<Words>(raw, out, i).run();
    } else {
      for (std::size_t n = 0; n < kLanes; ++n) out.kind[i + n] = PlainColumns::kOther;
    }
  }
}

void fill_by_four(std::span<const Frame> frames, PlainColumns& out) { fill<Words4>(frames, out); }

[[gnu::target("avx2")]] void fill_by_eight(std::span<const Frame> frames, PlainColumns& out) {
  fill<Words8>(frames, out);
}

}  // namespace

void fill_columns(std::span<const Frame> frames, PlainColumns& columns, HashVectors vectors) {
  if (vectors == HashVectors::None) return fill_by_four(frames, columns);
  fill_by_eight(frames, columns);
}

}  // namespace sluice
