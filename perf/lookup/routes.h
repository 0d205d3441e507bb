#pragma once

// Tables of prefixes and streams of addresses for the benchmarks of address lookup.
//
// Tables: `full`, 900,000 IPv4 or 100,000 IPv6 prefixes with the lengths of today's Internet;
// `tiny`, 2,000 of the same; `file`, what the file that SLUICE_PREFIXES names holds, a prefix a
// line, of which those of the family count.
// Streams: uniform over the space; biased, inside a prefix of the table drawn at random; Zipf, the
// same with prefix r drawn in proportion to 1 / r.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/cidr.h"

namespace sluice {

enum class Table { Tiny, Full, File };
enum class Stream { Uniform, Biased, Zipf };

inline constexpr std::size_t kBulk = 32;
inline constexpr std::size_t kAddresses = 1u << 19;

inline Cidr draw_prefix_v4(std::mt19937_64& random) {
  const std::uint64_t roll = random() % 100;
  const std::uint64_t length = roll < 60   ? 24
                               : roll < 82 ? 22 + random() % 2
                               : roll < 99 ? 16 + random() % 6
                                           : 9 + random() % 7;
  const auto top = static_cast<std::uint32_t>(1 + random() % 222);
  const auto rest = static_cast<std::uint32_t>(random()) & 0xffffffu;
  return Cidr(IpAddr::v4(top << 24 | rest), static_cast<std::uint8_t>(length));
}

// Half are /48s, which lie in a few thousand allocations, as they do in the Internet.
inline Cidr draw_prefix_v6(std::mt19937_64& random) {
  const std::uint64_t roll = random() % 100;
  const std::uint64_t length = roll < 47   ? 48
                               : roll < 62 ? 40 + random() % 8
                               : roll < 75 ? 33 + random() % 7
                               : roll < 95 ? 32
                                           : 20 + random() % 12;
  const std::uint64_t allocation = 0x20010000u + random() % 6000 * 8;
  return Cidr(IpAddr::v6(allocation << 32 | (random() & 0xffffffffu), 0),
              static_cast<std::uint8_t>(length));
}

inline std::vector<Cidr> generate_table(Family family, std::size_t count) {
  std::mt19937_64 random(2026);
  std::vector<Cidr> table;
  while (table.size() < count) {
    for (std::size_t i = table.size(); i < count + count / 50; ++i) {
      table.push_back(family == Family::Ipv4 ? draw_prefix_v4(random) : draw_prefix_v6(random));
    }
    std::sort(table.begin(), table.end());
    table.erase(std::unique(table.begin(), table.end()), table.end());
  }
  std::shuffle(table.begin(), table.end(), random);
  table.resize(count, Cidr(IpAddr(), 0));
  std::sort(table.begin(), table.end());
  return table;
}

// Empty where no file is named.
inline std::vector<Cidr> read_table(Family family) {
  std::vector<Cidr> table;
  const char* name = std::getenv("SLUICE_PREFIXES");
  if (name == nullptr) return table;
  std::ifstream file(name);
  for (std::string line; std::getline(file, line);) {
    const std::optional<Cidr> cidr = Cidr::parse(line);
    if (cidr && cidr->family() == family) table.push_back(*cidr);
  }
  std::sort(table.begin(), table.end());
  table.erase(std::unique(table.begin(), table.end()), table.end());
  return table;
}

// An address inside the prefix.
inline IpAddr draw_inside(const Cidr& cidr, std::mt19937_64& random) {
  const std::uint64_t high = random();
  const std::uint64_t low = random();
  const unsigned length = cidr.length();
  const IpAddr& base = cidr.address();
  if (base.is_v4()) {
    const std::uint32_t hosts = length == 0 ? 0xffffffffu : (std::uint32_t{1} << (32 - length)) - 1;
    return IpAddr::v4(base.v4_value() | (static_cast<std::uint32_t>(high) & hosts));
  }
  const std::uint64_t high_hosts = length >= 64  ? 0
                                   : length == 0 ? ~std::uint64_t{0}
                                                 : (std::uint64_t{1} << (64 - length)) - 1;
  const std::uint64_t low_hosts = length <= 64    ? ~std::uint64_t{0}
                                  : length == 128 ? 0
                                                  : (std::uint64_t{1} << (128 - length)) - 1;
  return IpAddr::v6(base.high() | (high & high_hosts), base.low() | (low & low_hosts));
}

// The table, and kAddresses addresses of a stream.
class Routes {
 public:
  Routes(Family family, Table table)
      : prefixes(table == Table::File ? read_table(family)
                                      : generate_table(family, count_of(family, table))) {}

  const std::vector<Cidr> prefixes;

  std::vector<IpAddr> addresses(Stream stream) const {
    std::mt19937_64 random(7);
    std::vector<Cidr> ranked = prefixes;
    std::shuffle(ranked.begin(), ranked.end(), random);
    std::vector<IpAddr> drawn;
    while (drawn.size() < kAddresses) {
      drawn.push_back(stream == Stream::Uniform
                          ? draw_inside(Cidr(any(), shortest()), random)
                          : draw_inside(ranked[rank(stream, ranked.size(), random)], random));
    }
    return drawn;
  }

 private:
  static std::size_t count_of(Family family, Table table) {
    if (table == Table::Tiny) return 2'000;
    return family == Family::Ipv4 ? 900'000 : 100'000;
  }
  // The whole of IPv4; of IPv6 what is given out at all.
  IpAddr any() const {
    return prefixes.front().family() == Family::Ipv4 ? IpAddr::v4(0)
                                                     : IpAddr::v6(std::uint64_t{0x2001} << 48, 0);
  }
  std::uint8_t shortest() const { return prefixes.front().family() == Family::Ipv4 ? 0 : 15; }
  static std::size_t rank(Stream stream, std::size_t count, std::mt19937_64& random) {
    if (stream == Stream::Biased) return random() % count;
    // Of 1 / r the sum up to r is near ln r, so the inverse of that distribution is a power.
    const double part = static_cast<double>(random() >> 11) * 0x1p-53;
    const auto found = static_cast<std::size_t>(std::pow(static_cast<double>(count), part));
    return std::min(found, count - 1);
  }
};

// Made when first asked for; one table is held at a time.
inline const Routes& routes_of(Family family, Table table) {
  static std::unique_ptr<Routes> held;
  static Family held_family;
  static Table held_table;
  if (held == nullptr || held_family != family || held_table != table) {
    held = std::make_unique<Routes>(family, table);
    held_family = family;
    held_table = table;
  }
  return *held;
}

}  // namespace sluice
