#include "lookup/l7_quic.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "lookup/l7_crypto.h"
#include "lookup/l7_tls.h"

namespace sluice {
namespace {

constexpr std::uint32_t kVersion1 = 1;
constexpr std::uint32_t kVersion2 = 0x6b33'43cf;
constexpr std::uint8_t kLongHeaderBit = 0x80;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kSampleOffset = 4;  // behind the first byte of the packet number
constexpr std::size_t kDatagramBytesMax = 1500;

// A variable-length integer (RFC 9000 16).
std::uint64_t read_varint(ByteCursor& cursor) {
  const std::uint8_t first = cursor.u8();
  std::uint64_t value = first & 0x3f;
  for (int left = (1 << (first >> 6)) - 1; left > 0; --left) value = value << 8 | cursor.u8();
  return value;
}

// A long header packet, up to its packet number (RFC 9000 17.2).
struct LongPacket {
  std::uint32_t version = 0;
  bool is_initial = false;
  std::span<const std::uint8_t> destination;  // connection id
  std::size_t number_offset = 0;              // from the packet's first byte
  std::span<const std::uint8_t> bytes;        // the packet without what is coalesced behind it
};

// Takes a packet off `cursor`; nothing where there is none that we could look into.
std::optional<LongPacket> take_packet(ByteCursor& cursor) {
  const auto all = cursor.ahead();
  ByteCursor header(all);
  LongPacket packet;
  const std::uint8_t first = header.u8();
  packet.version = header.u32();
  packet.destination = header.take(header.u8());
  header.skip(header.u8());  // source connection id
  if (!header.is_good() || (first & kLongHeaderBit) == 0) return std::nullopt;
  const bool is_version2 = packet.version == kVersion2;
  if (packet.version != kVersion1 && !is_version2) return packet;
  if (packet.destination.size() > QuicHello::kConnectionIdMax) return std::nullopt;
  const int type = first >> 4 & 3;
  packet.is_initial = type == (is_version2 ? 1 : 0);
  const int retry = is_version2 ? 0 : 3;
  if (type == retry) return std::nullopt;
  if (packet.is_initial) header.skip(read_varint(header));  // token
  const std::uint64_t length = read_varint(header);
  packet.number_offset = header.position();
  header.skip(length);
  if (!header.is_good()) return std::nullopt;
  packet.bytes = cursor.take(header.position());
  return packet;
}

// What an Initial packet carries, opened into `memory`; nothing if it does not open.
std::optional<std::span<const std::uint8_t>> open_packet(const LongPacket& packet,
                                                         const L7Crypto::InitialKeys& keys,
                                                         L7Crypto& crypto,
                                                         std::span<std::uint8_t> memory) {
  const std::size_t offset = packet.number_offset;
  if (packet.bytes.size() < offset + kSampleOffset + kTagBytes) return std::nullopt;
  const auto sample = packet.bytes.subspan(offset + kSampleOffset).first<kTagBytes>();
  const std::array<std::uint8_t, 5> mask = crypto.header_mask(keys, sample);
  // The header as it was before its protection: what the seal also covers.
  std::array<std::uint8_t, kDatagramBytesMax> header;
  const auto first = static_cast<std::uint8_t>(packet.bytes[0] ^ (mask[0] & 0x0f));
  const std::size_t number_bytes = static_cast<std::size_t>(first & 3) + 1;
  const std::size_t header_bytes = offset + number_bytes;
  if (header_bytes > header.size()) return std::nullopt;
  std::copy_n(packet.bytes.begin(), header_bytes, header.begin());
  header[0] = first;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < number_bytes; ++i) {
    header[offset + i] ^= mask[i + 1];
    number = number << 8 | header[offset + i];
  }
  const auto sealed = packet.bytes.subspan(header_bytes);
  if (sealed.size() < kTagBytes || sealed.size() - kTagBytes > memory.size()) return std::nullopt;
  const auto plain = memory.first(sealed.size() - kTagBytes);
  if (!crypto.open(keys, number, std::span(header).first(header_bytes), sealed, plain)) {
    return std::nullopt;
  }
  return plain;
}

std::optional<std::span<const std::uint8_t>> open_with(std::span<const std::uint8_t> id,
                                                       const LongPacket& packet, L7Crypto& crypto,
                                                       std::span<std::uint8_t> memory) {
  const L7Crypto::InitialKeys keys = crypto.initial_keys(id, packet.version == kVersion2);
  return open_packet(packet, keys, crypto, memory);
}

}  // namespace

// Copies one piece of the stream to its place. False if it does not fit, differs from what is
// there already, or there are too many gaps.
bool QuicHello::place(std::uint64_t offset, std::span<const std::uint8_t> piece) {
  const std::size_t capacity = std::min(storage_.size(), kL7HelloBytes);
  if (offset > capacity || piece.size() > capacity - offset) return false;
  if (piece.empty()) return true;
  const auto begin = static_cast<std::uint32_t>(offset);
  const auto end = static_cast<std::uint32_t>(offset + piece.size());
  for (std::size_t i = 0; i < range_count_; ++i) {
    const std::uint32_t from = std::max(begin, ranges_[i].begin);
    const std::uint32_t to = std::min(end, ranges_[i].end);
    if (from >= to) continue;
    const auto known = storage_.subspan(from, to - from);
    if (!std::ranges::equal(known, piece.subspan(from - begin, to - from))) return false;
  }
  std::ranges::copy(piece, storage_.begin() + begin);
  return join({begin, end});
}

// Adds a range to the list, which stays without overlaps and in no order.
bool QuicHello::join(Range added) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < range_count_; ++i) {
    const Range range = ranges_[i];
    if (range.end < added.begin || added.end < range.begin) {
      ranges_[kept++] = range;
    } else {
      added = {std::min(added.begin, range.begin), std::max(added.end, range.end)};
    }
  }
  range_count_ = static_cast<std::uint32_t>(kept);
  if (range_count_ == kRangesMax) return false;
  ranges_[range_count_++] = added;
  return true;
}

// How much of the stream is there from its beginning on without a gap.
std::size_t QuicHello::ready_bytes() const {
  for (std::size_t i = 0; i < range_count_; ++i) {
    if (ranges_[i].begin == 0) return ranges_[i].end;
  }
  return 0;
}

// The frames that an Initial packet may hold (RFC 9000 12.4); false if it holds others.
bool QuicHello::read_frames(std::span<const std::uint8_t> frames) {
  ByteCursor cursor(frames);
  while (!cursor.is_at_end()) {
    const std::uint8_t type = cursor.u8();
    if (type == 0x00 || type == 0x01) continue;  // padding, ping
    if (type == 0x02 || type == 0x03) {          // acknowledgement
      read_varint(cursor);
      read_varint(cursor);
      const std::uint64_t ranges = read_varint(cursor);
      read_varint(cursor);
      for (std::uint64_t i = 0; i < ranges && cursor.is_good(); ++i) {
        read_varint(cursor);
        read_varint(cursor);
      }
      for (int i = 0; type == 0x03 && i < 3; ++i) read_varint(cursor);
    } else if (type == 0x06) {  // crypto
      const std::uint64_t offset = read_varint(cursor);
      const std::uint64_t size = read_varint(cursor);
      const auto piece = cursor.take(size);
      if (!cursor.is_good() || !place(offset, piece)) return false;
    } else if (type == 0x1c) {  // close: the rest is its words
      return true;
    } else {
      return false;
    }
    if (!cursor.is_good()) return false;
  }
  return true;
}

void QuicHello::keep_connection_id(std::span<const std::uint8_t> id) {
  has_connection_id_ = true;
  std::ranges::copy(id, connection_id_.begin());
  connection_id_size_ = static_cast<std::uint8_t>(id.size());
}

// True if one more packet may be opened; it is counted then.
bool QuicHello::may_open() {
  is_spent_ = openings_ == openings_max_;
  if (!is_spent_) ++openings_;
  return !is_spent_;
}

// One packet of the datagram.
NameState QuicHello::add_packet(std::span<const std::uint8_t> packet_bytes, L7Scratch& scratch,
                                std::size_t& taken) {
  ByteCursor cursor(packet_bytes);
  const std::optional<LongPacket> packet = take_packet(cursor);
  taken = packet && !packet->bytes.empty() ? packet->bytes.size() : packet_bytes.size();
  if (!packet) return has_connection_id_ ? NameState::NeedMore : NameState::Malformed;
  const bool is_known = packet->version == kVersion1 || packet->version == kVersion2;
  if (!is_known) return NameState::None;
  if (!packet->is_initial) return NameState::NeedMore;
  if (!has_connection_id_) {
    version_ = packet->version;
    keep_connection_id(packet->destination);
  }
  if (packet->version != version_) return NameState::Malformed;
  if (!may_open()) return NameState::NeedMore;
  std::array<std::uint8_t, kDatagramBytesMax> memory;
  auto frames = open_with(connection_id(), *packet, scratch.crypto(), memory);
  // The keys follow from the first packet's connection id for all of them (RFC 9001 5.2), but for
  // those behind a Retry, from which on the client uses the server's.
  const bool is_other = !std::ranges::equal(packet->destination, connection_id());
  if (!frames && is_other) {
    if (!may_open()) return NameState::NeedMore;
    frames = open_with(packet->destination, *packet, scratch.crypto(), memory);
    if (frames) keep_connection_id(packet->destination);
  }
  if (!frames || !read_frames(*frames)) return NameState::Malformed;
  return NameState::NeedMore;
}

NameAnswer QuicHello::add(std::span<const std::uint8_t> datagram, L7Scratch& scratch) {
  // The hello stays where it lies, so its name is read again rather than kept.
  if (is_done_ && done_state_ == NameState::Name) {
    return find_hello_name(storage_.first(ready_bytes()), true, scratch.crypto());
  }
  if (is_done_) return NameAnswer::of(done_state_);
  if (is_spent_) return NameAnswer();
  NameAnswer answer;
  for (std::uint32_t i = 0; i < kPacketsMax && !datagram.empty(); ++i) {
    // Behind the first packet anything may follow: padding, or a short header of other keys.
    if (i > 0 && (datagram[0] & kLongHeaderBit) == 0) break;
    std::size_t taken = 0;
    answer.state = add_packet(datagram, scratch, taken);
    if (answer.state != NameState::NeedMore || is_spent_) break;
    datagram = datagram.subspan(taken);
  }
  if (is_spent_) return NameAnswer();  // what was not opened might have made it malformed
  if (answer.state == NameState::NeedMore) {
    answer = find_hello_name(storage_.first(ready_bytes()), true, scratch.crypto());
  }
  is_done_ = answer.state != NameState::NeedMore;
  done_state_ = answer.state;
  return answer;
}

}  // namespace sluice
