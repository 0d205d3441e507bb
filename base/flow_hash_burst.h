#pragma once

// keyed_hash() of many flows at once. A hash is a chain of operations that each wait for the one
// before; side by side they fill the vector units: 8 at a time with AVX-512, 4 with AVX2, chosen
// when the program runs.

#include <array>
#include <cstdint>
#include <span>

#include "base/flow_hash.h"

namespace sluice {

enum class HashVectors : std::uint8_t { None, Avx2, Avx512 };
// What this processor can do, or the limit if that is less.
HashVectors widest_hash_vectors();
// For measurements that must not depend on the processor. Before other threads begin.
void limit_hash_vectors(HashVectors most);

// hashes[i] = keyed_hash(key, {first[i], second[i]}). All three are of one size. Asking for more
// than this processor can do ends the program. About 10 clocks a hash (AVX-512). Any thread.
void keyed_hash_burst(const HashKey& key, std::span<const std::uint64_t> first,
                      std::span<const std::uint64_t> second, std::span<std::uint64_t> hashes,
                      HashVectors vectors = widest_hash_vectors());

// The same of five words a flow, as IPv6 needs: hashes[i] = keyed_hash(key, {words[0][i], …}). Each
// column has hashes.size() words.
void keyed_hash_burst(const HashKey& key, const std::array<const std::uint64_t*, 5>& words,
                      std::span<std::uint64_t> hashes, HashVectors vectors = widest_hash_vectors());

}  // namespace sluice
