#include "base/flow_hash_burst.h"

#include <algorithm>
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

// Column w holds word w of all flows.
template <std::size_t N>
struct Columns {
  std::array<const std::uint64_t*, N> words;
  std::uint64_t* hashes;
  std::size_t count;
};

using Words4 = std::uint64_t __attribute__((vector_size(32)));
using Words8 = std::uint64_t __attribute__((vector_size(64)));

// As many flows at a time as a Word holds; the rest one by one.
template <class Word, std::size_t N>
[[gnu::always_inline]] inline void hash_columns(const HashKey& key, const Columns<N>& columns) {
  constexpr std::size_t kStride = sizeof(Word) / sizeof(std::uint64_t);
  std::size_t i = 0;
  for (; i + kStride <= columns.count; i += kStride) {
    SipState<Word> state(key);
    Word word, hash;
    for (std::size_t w = 0; w < N; ++w) {
      std::memcpy(&word, columns.words[w] + i, sizeof word);
      state.absorb(word);
    }
    state.absorb(Word{} + (std::uint64_t{N * 8} << 56));
    state.finish(hash);
    std::memcpy(columns.hashes + i, &hash, sizeof hash);
  }
  for (; i < columns.count; ++i) {
    std::array<std::uint64_t, N> words;
    for (std::size_t w = 0; w < N; ++w) words[w] = columns.words[w][i];
    columns.hashes[i] = keyed_hash(key, words);
  }
}

template <std::size_t N>
void hash_scalar(const HashKey& key, const Columns<N>& columns) {
  hash_columns<std::uint64_t>(key, columns);
}

template <std::size_t N>
[[gnu::target("avx2")]] void hash_avx2(const HashKey& key, const Columns<N>& columns) {
  hash_columns<Words4>(key, columns);
}

template <std::size_t N>
[[gnu::target("avx512f,avx512dq,avx512vl")]] void hash_avx512(const HashKey& key,
                                                              const Columns<N>& columns) {
  hash_columns<Words8>(key, columns);
}

HashVectors widest_of_processor() {
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return HashVectors::Avx512;
  }
  return __builtin_cpu_supports("avx2") ? HashVectors::Avx2 : HashVectors::None;
}

HashVectors widest = widest_of_processor();

template <std::size_t N>
void hash_burst(const HashKey& key, const Columns<N>& columns, HashVectors vectors) {
  switch (vectors) {
    case HashVectors::None:
      return hash_scalar(key, columns);
    case HashVectors::Avx2:
      return hash_avx2(key, columns);
    case HashVectors::Avx512:
      return hash_avx512(key, columns);
  }
}

}  // namespace

HashVectors widest_hash_vectors() { return widest; }

void limit_hash_vectors(HashVectors most) { widest = std::min(most, widest_of_processor()); }

void keyed_hash_burst(const HashKey& key, std::span<const std::uint64_t> first,
                      std::span<const std::uint64_t> second, std::span<std::uint64_t> hashes,
                      HashVectors vectors) {
  CHECK(vectors <= widest_hash_vectors());
  CHECK(first.size() == second.size() && first.size() == hashes.size());
  hash_burst<2>(key, {{first.data(), second.data()}, hashes.data(), hashes.size()}, vectors);
}

void keyed_hash_burst(const HashKey& key, const std::array<const std::uint64_t*, 5>& words,
                      std::span<std::uint64_t> hashes, HashVectors vectors) {
  CHECK(vectors <= widest_hash_vectors());
  hash_burst<5>(key, {words, hashes.data(), hashes.size()}, vectors);
}

}  // namespace sluice
