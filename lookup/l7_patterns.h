#pragma once

// Owner of the compiled Hyperscan databases: what tells applications, by transport and direction,
// and the user's signatures.
//
// Databases come in serialised, as control/compile/build_patterns made them or its cache on disk
// kept them, so that this file needs Hyperscan's runtime only. An L7Patterns is immutable and
// shared by all workers; what a scan writes lies in the L7Scratch of the worker. A scan is block
// mode over at most kL7ScanBytes, allocates nothing, and answers the same for the same bytes.
// Replacing the patterns: load the new ones, make a new scratch for each worker, publish both
// together, free the old ones after the grace period.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "lookup/l7_app.h"

struct hs_database;
struct hs_scratch;

namespace sluice {

class L7Crypto;

// How much of a direction Hyperscan sees, bytes.
inline constexpr std::size_t kL7ScanBytes = 512;
// The most that name parsers keep of a flow, bytes.
inline constexpr std::size_t kL7HelloBytes = 16384;

enum class L7Transport : std::uint8_t { Tcp, Udp };
// Who sent the bytes: the side that opened the connection, or the other.
enum class L7Side : std::uint8_t { Initiator, Responder };

// The databases: one for each transport and side, and one of the user's signatures for all.
inline constexpr std::size_t kL7Databases = 5;
inline constexpr std::size_t kL7SignatureDatabase = 4;
constexpr std::size_t l7_database(L7Transport transport, L7Side side) {
  return static_cast<std::size_t>(transport) * 2 + static_cast<std::size_t>(side);
}

// A signature of the policy as outputs show it; its index is its place in the policy's list.
struct L7Signature {
  std::string id;
  bool drops = false;  // `action = "drop"`; else "alert"
};

// Which signatures match: of each action the one that comes first in the policy.
struct L7SignatureHit {
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  std::uint32_t alert = kNone;
  std::uint32_t drop = kNone;
};

// What the patterns say of some first bytes. A weak pattern fits an opening that several
// applications share, and counts only where no strong one matches.
struct L7Nominees {
  AppSet strong;
  AppSet weak;
};

// The number by which a database reports a pattern of an application.
constexpr std::uint32_t kL7WeakBit = 0x100;
constexpr std::uint32_t l7_pattern_number(App app, bool is_weak) {
  return static_cast<std::uint32_t>(app) | (is_weak ? kL7WeakBit : 0);
}

// Serialised databases; an empty one matches nothing.
using L7DatabaseBytes = std::array<std::vector<char>, kL7Databases>;

class L7Patterns;

// What a worker's scans write: Hyperscan's scratch, the contexts that open QUIC packets, and room
// for a hello that lies in several records. Used by one thread at a time.
class L7Scratch {
 public:
  // Fits these patterns, and no others. Allocates: off the packet path. Failed where memory is out.
  static Result<std::unique_ptr<L7Scratch>> create(const L7Patterns& patterns);
  ~L7Scratch();
  L7Scratch(const L7Scratch&) = delete;
  L7Scratch& operator=(const L7Scratch&) = delete;

  hs_scratch* scan() { return scan_; }
  L7Crypto& crypto() { return *crypto_; }
  std::span<std::uint8_t, kL7HelloBytes> hello() { return hello_; }

 private:
  L7Scratch();

  hs_scratch* scan_ = nullptr;
  std::unique_ptr<L7Crypto> crypto_;
  std::array<std::uint8_t, kL7HelloBytes> hello_{};
};

class L7Patterns {
 public:
  // Failed (code "bad-database") where a database is damaged, or made by another version of
  // Hyperscan or for another CPU: compile it again.
  static Result<std::shared_ptr<const L7Patterns>> load(const L7DatabaseBytes& bytes,
                                                        std::vector<L7Signature> signatures);
  ~L7Patterns();
  L7Patterns(const L7Patterns&) = delete;
  L7Patterns& operator=(const L7Patterns&) = delete;

  // The applications of which a pattern matches the first kL7ScanBytes of `bytes`. The
  // patterns only nominate: l7_identify looks closer.
  L7Nominees scan(L7Transport transport, L7Side side, std::span<const std::uint8_t> bytes,
                  L7Scratch& scratch) const;

  // The signatures that match the first kL7ScanBytes of `bytes`.
  L7SignatureHit scan_signatures(std::span<const std::uint8_t> bytes, L7Scratch& scratch) const;
  bool has_signatures() const { return !signatures_.empty(); }
  std::span<const L7Signature> signatures() const { return signatures_; }

  // The databases as Hyperscan sees them, null where empty; for L7Scratch.
  std::span<hs_database* const, kL7Databases> databases() const { return databases_; }

 private:
  L7Patterns() = default;

  std::array<hs_database*, kL7Databases> databases_{};
  std::vector<L7Signature> signatures_;
};

}  // namespace sluice
