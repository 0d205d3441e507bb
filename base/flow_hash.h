#pragma once

// The keyed hash of flows: SipHash-1-3 over fixed-size words. Keyed by a secret of this process,
// so that colliding flows cannot be computed from outside (CRC32 and Toeplitz are linear: they
// can). Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

// 128 secret bits, drawn at start; a fixed value in replay and tests makes runs repeatable.
struct HashKey {
  std::uint64_t k0 = 0x0706050403020100u;
  std::uint64_t k1 = 0x0f0e0d0c0b0a0908u;
};

// Word is std::uint64_t, or a vector of them: then it is as many hashes side by side.
template <class Word>
class SipState {
 public:
  constexpr explicit SipState(const HashKey& key)
      : v0_(Word{} + (key.k0 ^ 0x736f6d6570736575u)),
        v1_(Word{} + (key.k1 ^ 0x646f72616e646f6du)),
        v2_(Word{} + (key.k0 ^ 0x6c7967656e657261u)),
        v3_(Word{} + (key.k1 ^ 0x7465646279746573u)) {}

  [[gnu::always_inline]] constexpr void absorb(const Word& word) {
    v3_ ^= word;
    round();
    v0_ ^= word;
  }
  [[gnu::always_inline]] constexpr void finish(Word& hash) {
    v2_ ^= 0xff;
    round();
    round();
    round();
    hash = v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  [[gnu::always_inline]] static constexpr void turn(Word& word, int bits) {
    word = word << bits | word >> (64 - bits);
  }
  [[gnu::always_inline]] constexpr void round() {
    v0_ += v1_;
    turn(v1_, 13);
    v1_ ^= v0_;
    turn(v0_, 32);
    v2_ += v3_;
    turn(v3_, 16);
    v3_ ^= v2_;
    v0_ += v3_;
    turn(v3_, 21);
    v3_ ^= v0_;
    v2_ += v1_;
    turn(v1_, 17);
    v1_ ^= v2_;
    turn(v2_, 32);
  }
  Word v0_, v1_, v2_, v3_;
};

// About 2 ns for two words. Any thread.
template <std::size_t N>
constexpr std::uint64_t keyed_hash(const HashKey& key, const std::array<std::uint64_t, N>& words) {
  SipState<std::uint64_t> state(key);
  for (std::uint64_t word : words) state.absorb(word);
  state.absorb(std::uint64_t{N * 8} << 56);  // the length, as SipHash ends
  std::uint64_t hash = 0;
  state.finish(hash);
  return hash;
}

}  // namespace sluice
