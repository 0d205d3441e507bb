#pragma once

// A cursor over bytes that came from a wire: it never reads beyond them.
//
// Reading past the end gives zeros (or nothing) and marks the cursor as failed, once and for all,
// so that a parser reads a whole structure and asks once. Integers are in network order. A value;
// any thread; each read costs a compare.

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

class ByteCursor {
 public:
  constexpr explicit ByteCursor(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  // True if nothing was asked for that was not there.
  constexpr bool is_good() const { return !has_failed_; }
  constexpr bool is_at_end() const { return at_ == bytes_.size(); }
  constexpr std::size_t position() const { return at_; }
  constexpr std::size_t left() const { return bytes_.size() - at_; }

  constexpr std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  constexpr std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  constexpr std::uint32_t u24() { return static_cast<std::uint32_t>(number(3)); }
  constexpr std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }

  // The next `size` bytes; empty and failed if there are fewer.
  constexpr std::span<const std::uint8_t> take(std::size_t size) {
    if (size > left()) {
      fail();
      return {};
    }
    const auto taken = bytes_.subspan(at_, size);
    at_ += size;
    return taken;
  }
  constexpr std::span<const std::uint8_t> rest() { return take(left()); }
  constexpr void skip(std::size_t size) { take(size); }

  // What follows, not read yet.
  constexpr std::span<const std::uint8_t> ahead() const { return bytes_.subspan(at_); }

  constexpr void fail() {
    has_failed_ = true;
    at_ = bytes_.size();
  }

 private:
  constexpr std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : take(size)) value = value << 8 | byte;
    return value;
  }

  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  bool has_failed_ = false;
};

}  // namespace sluice
