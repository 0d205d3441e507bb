#include "base/flow_hash_burst.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "base/check.h"

#if defined(__GNUC__) && !defined(__clang__)
// GCC takes the zero of a vector that only some functions of this file may use for nothing.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace sluice {

namespace {

struct Pairs {
  const std::uint64_t* first;
  const std::uint64_t* second;
  std::uint64_t* hashes;
  std::size_t count;
};

using Words4 = std::uint64_t __attribute__((vector_size(32)));
using Words8 = std::uint64_t __attribute__((vector_size(64)));

// As many pairs at a time as a Word holds; the rest one by one.
template <class Word>
[[gnu::always_inline]] inline void hash_pairs(const HashKey& key, const Pairs& pairs) {
  constexpr std::size_t kStride = sizeof(Word) / sizeof(std::uint64_t);
  std::size_t i = 0;
  for (; i + kStride <= pairs.count; i += kStride) {
    Word first, second, hash;
    std::memcpy(&first, pairs.first + i, sizeof first);
    std::memcpy(&second, pairs.second + i, sizeof second);
    SipState<Word> state(key);
    state.absorb(first);
    state.absorb(second);
    state.absorb(Word{} + (std::uint64_t{16} << 56));
    state.finish(hash);
    std::memcpy(pairs.hashes + i, &hash, sizeof hash);
  }
  for (; i < pairs.count; ++i) {
    pairs.hashes[i] =
        keyed_hash(key, std::array<std::uint64_t, 2>{pairs.first[i], pairs.second[i]});
  }
}

void hash_scalar(const HashKey& key, const Pairs& pairs) { hash_pairs<std::uint64_t>(key, pairs); }

[[gnu::target("avx2")]] void hash_avx2(const HashKey& key, const Pairs& pairs) {
  hash_pairs<Words4>(key, pairs);
}

[[gnu::target("avx512f,avx512dq,avx512vl")]] void hash_avx512(const HashKey& key,
                                                              const Pairs& pairs) {
  hash_pairs<Words8>(key, pairs);
}

}  // namespace

HashVectors widest_hash_vectors() {
  static const HashVectors widest = [] {
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      return HashVectors::Avx512;
    }
    return __builtin_cpu_supports("avx2") ? HashVectors::Avx2 : HashVectors::None;
  }();
  return widest;
}

void keyed_hash_burst(const HashKey& key, std::span<const std::uint64_t> first,
                      std::span<const std::uint64_t> second, std::span<std::uint64_t> hashes,
                      HashVectors vectors) {
  CHECK(vectors <= widest_hash_vectors());
  CHECK(first.size() == second.size() && first.size() == hashes.size());
  const Pairs pairs{first.data(), second.data(), hashes.data(), hashes.size()};
  switch (vectors) {
    case HashVectors::None:
      return hash_scalar(key, pairs);
    case HashVectors::Avx2:
      return hash_avx2(key, pairs);
    case HashVectors::Avx512:
      return hash_avx512(key, pairs);
  }
}

}  // namespace sluice
