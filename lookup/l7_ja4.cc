#include "lookup/l7_ja4.h"

#include <algorithm>
#include <string_view>

namespace sluice {
namespace {

constexpr std::uint16_t kServerName = 0x0000;
constexpr std::uint16_t kAlpn = 0x0010;
constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kHashDigits = 12;

constexpr bool is_alphanumeric(std::uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Writes the fingerprint from left to right.
class Writer {
 public:
  explicit Writer(std::span<char> out) : out_(out) {}
  void put(char c) {
    if (size_ < out_.size()) out_[size_++] = c;
  }
  void put(std::string_view text) {
    for (const char c : text) put(c);
  }
  // Two decimal digits, at most 99.
  void put_count(std::size_t count) {
    const std::size_t shown = std::min<std::size_t>(count, 99);
    put(kDigits[shown / 10]);
    put(kDigits[shown % 10]);
  }
  void put_hex(std::uint16_t number) {
    for (int shift = 12; shift >= 0; shift -= 4) put(kDigits[number >> shift & 15]);
  }
  void put_list(std::span<const std::uint16_t> numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (i > 0) put(',');
      put_hex(numbers[i]);
    }
  }
  std::string_view text() const { return {out_.data(), size_}; }

 private:
  std::span<char> out_;
  std::size_t size_ = 0;
};

constexpr std::string_view version_text(std::uint16_t version) {
  switch (version) {
    case 0x0304:
      return "13";
    case 0x0303:
      return "12";
    case 0x0302:
      return "11";
    case 0x0301:
      return "10";
    case 0x0300:
      return "s3";
    case 0x0002:
      return "s2";
    default:
      return "00";
  }
}

// First and last character of the protocol's name; of its hexadecimal digits where they are not
// letters or digits.
void put_alpn(std::span<const std::uint8_t> alpn, Writer& out) {
  if (alpn.empty()) {
    out.put("00");
  } else if (is_alphanumeric(alpn.front()) && is_alphanumeric(alpn.back())) {
    out.put(static_cast<char>(alpn.front()));
    out.put(static_cast<char>(alpn.back()));
  } else {
    out.put(kDigits[alpn.front() >> 4]);
    out.put(kDigits[alpn.back() & 15]);
  }
}

void put_hash(std::string_view text, L7Crypto& crypto, Writer& out) {
  const L7Crypto::Digest digest = crypto.sha256(text);
  for (std::size_t i = 0; i < kHashDigits / 2; ++i) {
    out.put(kDigits[digest[i] >> 4]);
    out.put(kDigits[digest[i] & 15]);
  }
}

// Each number takes four digits and a comma.
using ListText = std::array<char, HelloNumbers::kMax * 5 * 2 + 1>;

}  // namespace

void HelloNumbers::add(std::uint16_t number) {
  if (is_grease(number)) return;
  if (count_ == kMax) {
    has_overflown_ = true;
    return;
  }
  numbers_[count_++] = number;
}

void HelloNumbers::sort() { std::sort(numbers_.begin(), numbers_.begin() + count_); }

void HelloNumbers::erase(std::uint16_t number) {
  const auto end = std::remove(numbers_.begin(), numbers_.begin() + count_, number);
  count_ = static_cast<std::size_t>(end - numbers_.begin());
}

Ja4 ja4_of(HelloFacts& facts, L7Crypto& crypto) {
  Ja4 ja4;
  if (facts.ciphers.has_overflown() || facts.extensions.has_overflown() ||
      facts.signature_algorithms.has_overflown()) {
    return ja4;
  }
  Writer out(ja4.characters);
  out.put(facts.is_quic ? 'q' : 't');
  out.put(version_text(facts.version));
  out.put(facts.has_server_name ? 'd' : 'i');
  out.put_count(facts.ciphers.all().size());
  out.put_count(facts.extensions.all().size());
  put_alpn(facts.first_alpn, out);
  out.put('_');
  constexpr std::string_view kNothing = "000000000000";
  ListText memory;
  if (facts.ciphers.all().empty()) {
    out.put(kNothing);
  } else {
    facts.ciphers.sort();
    Writer list(memory);
    list.put_list(facts.ciphers.all());
    put_hash(list.text(), crypto, out);
  }
  out.put('_');
  const bool has_extensions = !facts.extensions.all().empty();
  facts.extensions.erase(kServerName);
  facts.extensions.erase(kAlpn);
  facts.extensions.sort();
  if (!has_extensions) {
    out.put(kNothing);
  } else {
    Writer list(memory);
    list.put_list(facts.extensions.all());
    if (!facts.signature_algorithms.all().empty()) {
      list.put('_');
      list.put_list(facts.signature_algorithms.all());
    }
    put_hash(list.text(), crypto, out);
  }
  ja4.is_present = true;
  return ja4;
}

}  // namespace sluice
