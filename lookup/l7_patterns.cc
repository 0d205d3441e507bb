#include "lookup/l7_patterns.h"

#include <hs/hs_common.h>
#include <hs/hs_runtime.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "lookup/l7_crypto.h"

namespace sluice {
namespace {

Error bad_database(std::size_t which, hs_error_t code) {
  const char* why = code == HS_DB_VERSION_ERROR    ? "it was made by another version of Hyperscan"
                    : code == HS_DB_PLATFORM_ERROR ? "it was made for another CPU"
                    : code == HS_NOMEM             ? "there is no memory for it"
                                                   : "it is damaged";
  return {ErrorKind::Failed, "bad-database",
          "pattern database " + std::to_string(which) + " cannot be used: " + why +
              "; compile it again",
          ""};
}

unsigned scan_length(std::span<const std::uint8_t> bytes) {
  return static_cast<unsigned>(std::min(bytes.size(), kL7ScanBytes));
}

const char* text_of(std::span<const std::uint8_t> bytes) {
  return reinterpret_cast<const char*>(bytes.data());
}

int add_app(unsigned number, unsigned long long, unsigned long long, unsigned, void* context) {
  L7Nominees& nominees = *static_cast<L7Nominees*>(context);
  AppSet& apps = (number & kL7WeakBit) != 0 ? nominees.weak : nominees.strong;
  apps.insert(static_cast<App>(number & ~kL7WeakBit));
  return 0;
}

struct SignatureScan {
  std::span<const L7Signature> signatures;
  L7SignatureHit hit;
};

int add_signature(unsigned index, unsigned long long, unsigned long long, unsigned, void* context) {
  SignatureScan& scan = *static_cast<SignatureScan*>(context);
  std::uint32_t& best = scan.signatures[index].drops ? scan.hit.drop : scan.hit.alert;
  best = std::min(best, index);
  return 0;
}

}  // namespace

L7Scratch::L7Scratch() : crypto_(L7Crypto::create()) {}

L7Scratch::~L7Scratch() { hs_free_scratch(scan_); }

Result<std::unique_ptr<L7Scratch>> L7Scratch::create(const L7Patterns& patterns) {
  std::unique_ptr<L7Scratch> scratch(new L7Scratch());
  if (scratch->crypto_ == nullptr) {
    return Error{ErrorKind::Failed, "no-cipher",
                 "libcrypto has no AES-128-GCM: QUIC packets cannot be opened", ""};
  }
  for (const hs_database* database : patterns.databases()) {
    if (database == nullptr) continue;
    const hs_error_t code = hs_alloc_scratch(database, &scratch->scan_);
    if (code != HS_SUCCESS) {
      return Error{ErrorKind::Failed, "no-memory",
                   "Hyperscan gives no scratch memory: error " + std::to_string(code), ""};
    }
  }
  return scratch;
}

Result<std::shared_ptr<const L7Patterns>> L7Patterns::load(const L7DatabaseBytes& bytes,
                                                           std::vector<L7Signature> signatures) {
  const std::shared_ptr<L7Patterns> patterns(new L7Patterns());
  for (std::size_t i = 0; i < kL7Databases; ++i) {
    if (bytes[i].empty()) continue;
    const hs_error_t code =
        hs_deserialize_database(bytes[i].data(), bytes[i].size(), &patterns->databases_[i]);
    if (code != HS_SUCCESS) {
      patterns->databases_[i] = nullptr;
      return bad_database(i, code);
    }
  }
  patterns->signatures_ = std::move(signatures);
  return std::shared_ptr<const L7Patterns>(patterns);
}

L7Patterns::~L7Patterns() {
  for (hs_database* database : databases_) hs_free_database(database);
}

L7Nominees L7Patterns::scan(L7Transport transport, L7Side side, std::span<const std::uint8_t> bytes,
                            L7Scratch& scratch) const {
  const hs_database* database = databases_[l7_database(transport, side)];
  L7Nominees nominees;
  if (database == nullptr || bytes.empty()) return nominees;
  const hs_error_t code =
      hs_scan(database, text_of(bytes), scan_length(bytes), 0, scratch.scan(), add_app, &nominees);
  CHECK(code == HS_SUCCESS);
  return nominees;
}

L7SignatureHit L7Patterns::scan_signatures(std::span<const std::uint8_t> bytes,
                                           L7Scratch& scratch) const {
  const hs_database* database = databases_[kL7SignatureDatabase];
  SignatureScan scan{signatures_, {}};
  if (database == nullptr || bytes.empty()) return scan.hit;
  const hs_error_t code = hs_scan(database, text_of(bytes), scan_length(bytes), 0, scratch.scan(),
                                  add_signature, &scan);
  CHECK(code == HS_SUCCESS);
  return scan.hit;
}

}  // namespace sluice
