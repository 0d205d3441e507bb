#include "lookup/l7_tls.h"

#include <algorithm>
#include <string_view>

#include "base/bytes.h"
#include "lookup/l7_ja4.h"

namespace sluice {
namespace {

constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kClientHello = 1;
constexpr std::size_t kRecordHeaderBytes = 5;
constexpr std::size_t kRecordBytesMax = 16384;  // of plaintext (RFC 8446 5.1)
constexpr std::size_t kHandshakeHeaderBytes = 4;
constexpr std::uint8_t kHostNameType = 0;

// Extensions (IANA, TLS ExtensionType values).
constexpr std::uint16_t kServerName = 0;
constexpr std::uint16_t kSignatureAlgorithms = 13;
constexpr std::uint16_t kAlpn = 16;
constexpr std::uint16_t kSupportedVersions = 43;

std::string_view text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Of a message with its header, which must be there.
std::size_t handshake_size(std::span<const std::uint8_t> message) {
  ByteCursor cursor(message);
  cursor.skip(1);
  return kHandshakeHeaderBytes + cursor.u24();
}

void add_numbers(ByteCursor list, HelloNumbers& numbers) {
  while (list.left() >= 2) numbers.add(list.u16());
}

// A list of 16-bit numbers behind its length, alone in `body`.
bool read_numbers(std::span<const std::uint8_t> body, HelloNumbers& numbers) {
  ByteCursor cursor(body);
  const std::size_t size = cursor.u16();
  const auto list = cursor.take(size);
  if (!cursor.is_good() || !cursor.is_at_end() || size % 2 != 0) return false;
  add_numbers(ByteCursor(list), numbers);
  return true;
}

// One hello under way.
class HelloReader {
 public:
  explicit HelloReader(bool is_quic) { facts_.is_quic = is_quic; }

  NameAnswer read(std::span<const std::uint8_t> body, L7Crypto& crypto) {
    if (!read_fields(body)) return NameAnswer::of(NameState::Malformed);
    NameAnswer answer;
    answer.state = name_.is_empty() ? NameState::None : NameState::Name;
    answer.name = name_;
    answer.ja4 = ja4_of(facts_, crypto);
    return answer;
  }

 private:
  bool read_fields(std::span<const std::uint8_t> body) {
    ByteCursor cursor(body);
    facts_.version = cursor.u16();
    cursor.skip(32);           // random
    cursor.skip(cursor.u8());  // session id
    const std::size_t cipher_bytes = cursor.u16();
    add_numbers(ByteCursor(cursor.take(cipher_bytes)), facts_.ciphers);
    cursor.skip(cursor.u8());  // compression methods
    if (!cursor.is_good() || cipher_bytes % 2 != 0) return false;
    if (cursor.is_at_end()) return true;  // before extensions (RFC 5246 7.4.1.2)
    ByteCursor extensions(cursor.take(cursor.u16()));
    if (!cursor.is_good() || !cursor.is_at_end()) return false;
    while (!extensions.is_at_end()) {
      const std::uint16_t type = extensions.u16();
      const auto content = extensions.take(extensions.u16());
      if (!extensions.is_good() || !read_extension(type, content)) return false;
    }
    return true;
  }

  bool read_extension(std::uint16_t type, std::span<const std::uint8_t> content) {
    facts_.extensions.add(type);
    switch (type) {
      case kServerName:
        return read_server_name(content);
      case kSignatureAlgorithms:
        return once(has_algorithms_) && read_numbers(content, facts_.signature_algorithms);
      case kAlpn:
        return once(has_alpn_) && read_alpn(content);
      case kSupportedVersions:
        return once(has_versions_) && read_versions(content);
      default:
        return true;
    }
  }

  // No extension may come twice (RFC 8446 4.2); asked of those that decide something.
  static bool once(bool& seen) {
    const bool is_first = !seen;
    seen = true;
    return is_first;
  }

  bool read_server_name(std::span<const std::uint8_t> content) {
    if (!once(facts_.has_server_name)) return false;
    ByteCursor cursor(content);
    ByteCursor list(cursor.take(cursor.u16()));
    if (!cursor.is_good() || !cursor.is_at_end() || list.is_at_end()) return false;
    while (!list.is_at_end()) {
      const std::uint8_t type = list.u8();
      const auto name = list.take(list.u16());
      if (!list.is_good()) return false;
      if (type != kHostNameType) continue;
      if (!name_.is_empty()) return false;  // one of each type (RFC 6066 3)
      name_ = HostName::from(text_of(name));
      if (name_.is_empty()) return false;
    }
    return true;
  }

  bool read_alpn(std::span<const std::uint8_t> content) {
    ByteCursor cursor(content);
    ByteCursor list(cursor.take(cursor.u16()));
    if (!cursor.is_good() || !cursor.is_at_end()) return false;
    facts_.first_alpn = list.take(list.u8());
    return list.is_good();
  }

  bool read_versions(std::span<const std::uint8_t> content) {
    ByteCursor cursor(content);
    const std::size_t size = cursor.u8();
    ByteCursor list(cursor.take(size));
    if (!cursor.is_good() || !cursor.is_at_end() || size % 2 != 0) return false;
    std::uint16_t best = 0;
    while (!list.is_at_end()) {
      const std::uint16_t version = list.u16();
      if (!is_grease(version)) best = std::max(best, version);
    }
    if (best != 0) facts_.version = best;
    return true;
  }

  HelloFacts facts_;
  HostName name_;
  bool has_algorithms_ = false;
  bool has_alpn_ = false;
  bool has_versions_ = false;
};

}  // namespace

NameAnswer find_hello_name(std::span<const std::uint8_t> handshake, bool is_quic,
                           L7Crypto& crypto) {
  if (handshake.empty()) return NameAnswer::of(NameState::NeedMore);
  if (handshake[0] != kClientHello) return NameAnswer::of(NameState::Malformed);
  if (handshake.size() < kHandshakeHeaderBytes) return NameAnswer::of(NameState::NeedMore);
  const std::size_t size = handshake_size(handshake);
  if (size > kL7HelloBytes) return NameAnswer::of(NameState::Malformed);
  if (handshake.size() < size) return NameAnswer::of(NameState::NeedMore);
  return HelloReader(is_quic).read(handshake.first(size).subspan(kHandshakeHeaderBytes), crypto);
}

NameAnswer find_tls_name(std::span<const std::uint8_t> stream, L7Scratch& scratch) {
  const std::span<std::uint8_t> joined = scratch.hello();
  std::size_t size = 0;
  std::size_t needed = 0;  // as far as the hello's head is there to say so
  ByteCursor cursor(stream);
  // Every record but the last adds a byte at least: at most kL7HelloBytes turns.
  while (cursor.left() >= kRecordHeaderBytes) {
    const std::uint8_t type = cursor.u8();
    const std::uint8_t major = cursor.u8();
    cursor.skip(1);
    const std::size_t length = cursor.u16();
    if (type != kHandshakeRecord || major != 3 || length == 0 || length > kRecordBytesMax) {
      return NameAnswer::of(NameState::Malformed);
    }
    const auto part = cursor.take(std::min(length, cursor.left()));
    if (size == 0) {  // nearly every hello lies in one record, and is read where it lies
      const NameAnswer answer = find_hello_name(part, false, scratch.crypto());
      if (answer.state != NameState::NeedMore) return answer;
    }
    const std::size_t copied = std::min(part.size(), joined.size() - size);
    std::copy_n(part.begin(), copied, joined.begin() + static_cast<std::ptrdiff_t>(size));
    size += copied;
    if (size >= needed) {
      const NameAnswer answer = find_hello_name(joined.first(size), false, scratch.crypto());
      if (answer.state != NameState::NeedMore) return answer;
      needed = size < kHandshakeHeaderBytes ? 0 : handshake_size(joined);
    }
    if (copied < part.size()) return NameAnswer::of(NameState::Malformed);
  }
  return NameAnswer::of(stream.size() >= kL7HelloBytes ? NameState::Malformed
                                                       : NameState::NeedMore);
}

}  // namespace sluice
