#include "lookup/l7_dns.h"

#include <array>
#include <cstddef>

#include "base/bytes.h"

namespace sluice {
namespace {

constexpr std::size_t kLabelBytesMax = 63;
constexpr std::size_t kWireNameBytesMax = 255;
constexpr std::size_t kLengthBytes = 2;  // before a message over TCP
constexpr std::uint16_t kResponseBit = 0x8000;
constexpr std::uint16_t kReservedBit = 0x0040;

enum class Reading : std::uint8_t { Broken, Short, Whole };

struct Header {
  std::uint16_t flags = 0;
  std::uint16_t questions = 0;
  std::uint16_t answers = 0;
  std::uint16_t authorities = 0;
  std::uint16_t additionals = 0;
  int opcode() const { return flags >> 11 & 15; }
  bool is_response() const { return (flags & kResponseBit) != 0; }
};

struct Question {
  std::array<char, kWireNameBytesMax> text{};  // labels joined by dots; no last dot
  std::size_t size = 0;
  std::uint16_t type = 0;
  std::uint16_t record_class = 0;
  bool has_dot_in_label = false;  // as text it would be another name
};

Header read_header(ByteCursor& cursor) {
  Header header;
  cursor.skip(2);
  header.flags = cursor.u16();
  header.questions = cursor.u16();
  header.answers = cursor.u16();
  header.authorities = cursor.u16();
  header.additionals = cursor.u16();
  return header;
}

// Control characters end nothing here, but no name that somebody asks for has them.
bool has_text(std::span<const std::uint8_t> label) {
  for (const std::uint8_t byte : label) {
    if (byte < 0x20 || byte == 0x7f) return false;
  }
  return true;
}

Reading read_question(ByteCursor& cursor, Question& question) {
  while (true) {
    if (cursor.left() == 0) return Reading::Short;
    const std::size_t length = cursor.u8();
    if (length == 0) break;
    if (length > kLabelBytesMax || question.size + length + 2 > kWireNameBytesMax) {
      return Reading::Broken;
    }
    const std::size_t there = length < cursor.left() ? length : cursor.left();
    const auto label = cursor.take(there);
    if (!has_text(label)) return Reading::Broken;
    if (there < length) return Reading::Short;
    if (question.size > 0) question.text[question.size++] = '.';
    for (const std::uint8_t byte : label) {
      question.has_dot_in_label |= byte == '.';
      question.text[question.size++] = static_cast<char>(byte);
    }
  }
  question.type = cursor.u16();
  question.record_class = cursor.u16();
  return cursor.is_good() ? Reading::Whole : Reading::Short;
}

// Internet, Chaos, Hesiod, none, any (RFC 1035 3.2.4, RFC 2136 1.3); the top bit is multicast DNS's
// (RFC 6762 5.4).
bool is_class(std::uint16_t record_class) {
  const int value = record_class & 0x7fff;
  return value == 1 || value == 3 || value == 4 || value == 254 || value == 255;
}

bool fits(const Header& header, L7Side side) {
  const bool is_from_initiator = side == L7Side::Initiator;
  if (header.is_response() == is_from_initiator) return false;
  const int opcode = header.opcode();
  if (opcode == 3 || opcode > 5 || (header.flags & kReservedBit) != 0) return false;
  if (!is_from_initiator) return header.questions <= 1;
  const bool is_plain = opcode <= 2;
  if (is_plain && (header.answers != 0 || header.authorities != 0)) return false;
  return header.questions == 1 && (header.flags & 0xf) == 0 && header.additionals <= 3;
}

// The message behind its length, where there is one; broken if it is too short for a header.
struct Message {
  std::span<const std::uint8_t> bytes;
  Reading reading = Reading::Whole;
};

Message message_of(L7Transport transport, std::span<const std::uint8_t> bytes) {
  if (transport == L7Transport::Udp) {
    return {bytes, bytes.size() < kDnsHeaderBytes ? Reading::Broken : Reading::Whole};
  }
  ByteCursor cursor(bytes);
  const std::size_t length = cursor.u16();
  if (!cursor.is_good()) return {{}, Reading::Short};
  if (length < kDnsHeaderBytes) return {{}, Reading::Broken};
  if (cursor.left() >= length) return {cursor.take(length), Reading::Whole};
  return {cursor.rest(), Reading::Short};
}

}  // namespace

L7Fit dns_form(L7Transport transport, L7Side side, std::span<const std::uint8_t> bytes) {
  const Message message = message_of(transport, bytes);
  if (message.reading == Reading::Broken) return L7Fit::No;
  const L7Fit too_short = message.reading == Reading::Short ? L7Fit::NeedMore : L7Fit::No;
  if (message.bytes.size() < kDnsHeaderBytes) return too_short;
  ByteCursor cursor(message.bytes);
  const Header header = read_header(cursor);
  if (!fits(header, side)) return L7Fit::No;
  if (header.questions == 0) {
    // An error without its question (RFC 1035 4.1.1: the server could not read it).
    const bool is_bare = message.bytes.size() == kDnsHeaderBytes && header.answers == 0;
    return is_bare && (header.flags & 0xf) != 0 ? L7Fit::Yes : L7Fit::No;
  }
  Question question;
  const Reading reading = read_question(cursor, question);
  if (reading == Reading::Broken) return L7Fit::No;
  if (reading == Reading::Short) return too_short;
  return question.type != 0 && is_class(question.record_class) ? L7Fit::Yes : L7Fit::No;
}

NameAnswer find_dns_name(L7Transport transport, std::span<const std::uint8_t> bytes) {
  const Message message = message_of(transport, bytes);
  if (message.reading == Reading::Broken) return NameAnswer::of(NameState::Malformed);
  const NameState too_short =
      message.reading == Reading::Short ? NameState::NeedMore : NameState::Malformed;
  if (message.bytes.size() < kDnsHeaderBytes) return NameAnswer::of(too_short);
  ByteCursor cursor(message.bytes);
  const Header header = read_header(cursor);
  if (header.questions == 0) return NameAnswer::of(NameState::None);
  if (header.questions > 1) return NameAnswer::of(NameState::Malformed);
  Question question;
  const Reading reading = read_question(cursor, question);
  if (reading == Reading::Broken) return NameAnswer::of(NameState::Malformed);
  if (reading == Reading::Short) return NameAnswer::of(too_short);
  if (question.size == 0) return NameAnswer::of(NameState::None);
  if (question.has_dot_in_label) return NameAnswer::of(NameState::Malformed);
  NameAnswer answer;
  answer.name = HostName::from({question.text.data(), question.size});
  answer.state = answer.name.is_empty() ? NameState::Malformed : NameState::Name;
  return answer;
}

}  // namespace sluice
