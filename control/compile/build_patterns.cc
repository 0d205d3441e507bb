#include "control/compile/build_patterns.h"

#include <hs/hs_common.h>
#include <hs/hs_compile.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/limits.h"
#include "control/compile/app_patterns.h"
#include "control/compile/pattern_cache.h"
#include "control/compile/pattern_size.h"
#include "control/sha256.h"

namespace sluice {
namespace {

// One database to compile, in the form that Hyperscan takes it.
struct Expressions {
  std::vector<std::string> texts;
  std::vector<unsigned> flags;
  std::vector<unsigned> numbers;
};

struct CompileFault {
  std::optional<std::size_t> index;  // which expression, where that is known
  std::string message;
};

using Compiled = std::variant<std::vector<char>, CompileFault>;

Expressions app_expressions(L7Transport transport, L7Side side) {
  Expressions expressions;
  for (const AppPattern& pattern : app_patterns()) {
    if (pattern.transport != transport || pattern.side != side) continue;
    expressions.texts.emplace_back(pattern.expression);
    expressions.flags.push_back(HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH);
    expressions.numbers.push_back(l7_pattern_number(pattern.app, pattern.is_weak));
  }
  return expressions;
}

unsigned signature_flags(const std::string& flags) {
  unsigned bits = HS_FLAG_SINGLEMATCH;
  if (flags.find('i') != std::string::npos) bits |= HS_FLAG_CASELESS;
  if (flags.find('m') != std::string::npos) bits |= HS_FLAG_MULTILINE;
  if (flags.find('s') != std::string::npos) bits |= HS_FLAG_DOTALL;
  return bits;
}

Expressions signature_expressions(std::span<const SignatureSource> signatures) {
  Expressions expressions;
  for (const SignatureSource& signature : signatures) {
    expressions.numbers.push_back(static_cast<unsigned>(expressions.texts.size()));
    expressions.texts.push_back(signature.pattern);
    expressions.flags.push_back(signature_flags(signature.flags));
  }
  return expressions;
}

CompileFault fault_of(hs_compile_error_t* error) {
  CompileFault fault;
  if (error->expression >= 0) fault.index = static_cast<std::size_t>(error->expression);
  fault.message = error->message;
  hs_free_compile_error(error);
  return fault;
}

// The serialised database, or which expression is at fault.
Compiled compile(const Expressions& expressions) {
  std::vector<const char*> texts;
  for (const std::string& text : expressions.texts) texts.push_back(text.c_str());
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  const hs_error_t code = hs_compile_multi(
      texts.data(), expressions.flags.data(), expressions.numbers.data(),
      static_cast<unsigned>(texts.size()), HS_MODE_BLOCK, nullptr, &database, &error);
  if (code != HS_SUCCESS) return fault_of(error);
  char* bytes = nullptr;
  std::size_t size = 0;
  const hs_error_t serialized = hs_serialize_database(database, &bytes, &size);
  hs_free_database(database);
  if (serialized != HS_SUCCESS) return CompileFault{{}, "the database cannot be serialised"};
  std::vector<char> copy(bytes, bytes + size);
  std::free(bytes);
  return copy;
}

// All that a compiled database depends on.
std::string key_of(const Expressions& expressions) {
  std::string text = hs_version();
  hs_platform_info_t platform{};
  if (hs_populate_platform(&platform) == HS_SUCCESS) {
    text +=
        " cpu " + std::to_string(platform.cpu_features) + " tune " + std::to_string(platform.tune);
  }
  for (std::size_t i = 0; i < expressions.texts.size(); ++i) {
    text += "\n" + std::to_string(expressions.numbers[i]) + " " +
            std::to_string(expressions.flags[i]) + " " +
            std::to_string(expressions.texts[i].size()) + " " + expressions.texts[i];
  }
  return sha256_hex(text);
}

// True if Hyperscan takes these bytes: a file can be whole and yet not of this machine.
bool can_load(const std::vector<char>& bytes) {
  L7DatabaseBytes databases;
  databases[0] = bytes;
  return L7Patterns::load(databases, {}).has_value();
}

// What prepare_patterns() compiled last, until it is taken. Guarded by its mutex.
struct Prepared {
  std::mutex mutex;
  std::string key;
  std::vector<char> database;
};
Prepared& prepared() {
  static Prepared only;
  return only;
}

std::optional<std::vector<char>> take_prepared(const std::string& key) {
  Prepared& ready = prepared();
  const std::lock_guard lock(ready.mutex);
  if (ready.key != key) return std::nullopt;
  ready.key.clear();
  return std::move(ready.database);
}

Compiled compile_cached(const Expressions& expressions, const PatternCache& cache) {
  const std::string key = key_of(expressions);
  if (auto ready = take_prepared(key)) return std::move(*ready);
  if (auto known = cache.find(key); known && can_load(*known)) return std::move(*known);
  Compiled compiled = compile(expressions);
  if (const auto* bytes = std::get_if<std::vector<char>>(&compiled)) cache.keep(key, *bytes);
  return compiled;
}

// The databases of applications, which depend on nothing that a user says.
L7DatabaseBytes app_databases(const PatternCache& cache) {
  L7DatabaseBytes databases;
  for (const L7Transport transport : {L7Transport::Tcp, L7Transport::Udp}) {
    for (const L7Side side : {L7Side::Initiator, L7Side::Responder}) {
      Compiled compiled = compile_cached(app_expressions(transport, side), cache);
      CHECK(std::holds_alternative<std::vector<char>>(compiled));
      databases[l7_database(transport, side)] = std::move(*std::get_if<0>(&compiled));
    }
  }
  return databases;
}

const L7DatabaseBytes& databases_of_apps(const PatternCache& cache) {
  static const L7DatabaseBytes kOfApps = app_databases(cache);
  return kOfApps;
}

// Hyperscan ends messages of its parser by "at index N."
std::optional<std::size_t> position_in(const std::string& message) {
  constexpr std::string_view kMark = "at index ";
  const std::size_t mark = message.rfind(kMark);
  if (mark == std::string::npos) return std::nullopt;
  std::size_t position = 0;
  bool has_digit = false;
  for (std::size_t i = mark + kMark.size(); i < message.size(); ++i) {
    if (message[i] < '0' || message[i] > '9' || position > kPatternSizeMax) break;
    position = position * 10 + static_cast<std::size_t>(message[i] - '0');
    has_digit = true;
  }
  return has_digit ? std::optional(position) : std::nullopt;
}

SignatureFault make_fault(const SignatureSource& signature, std::size_t index,
                          std::optional<std::size_t> position, const std::string& why) {
  return {index, position, "signature " + signature.id + ": " + why};
}

SignatureFault make_limit(const SignatureSource& signature, std::size_t index,
                          const std::string& why) {
  SignatureFault fault = make_fault(signature, index, std::nullopt, why);
  fault.is_limit = true;
  return fault;
}

// What Hyperscan's parser does not know of: our limits, and bytes that end a string.
std::optional<std::string> broken_form(const SignatureSource& signature) {
  if (signature.pattern.empty()) return "the pattern is empty";
  if (signature.pattern.size() > kPatternSizeMax) {
    return "the pattern has " + std::to_string(signature.pattern.size()) + " bytes, at most " +
           std::to_string(kPatternSizeMax);
  }
  const std::size_t flag = signature.flags.find_first_not_of("ims");
  if (flag != std::string::npos) {
    return "flag '" + signature.flags.substr(flag, 1) + "' is none of i, m, s";
  }
  if (const auto unread = unread_construct(signature.pattern)) {
    return "the pattern has " + std::string(*unread) + ", which hides brackets and repeats";
  }
  return std::nullopt;
}

std::optional<SignatureFault> check_signature(const SignatureSource& signature, std::size_t index) {
  const std::size_t nul = signature.pattern.find('\0');
  if (nul != std::string::npos) {
    return make_fault(signature, index, nul,
                      "a NUL byte at index " + std::to_string(nul) + "; write \\x00");
  }
  if (const auto why = broken_form(signature)) {
    return make_fault(signature, index, std::nullopt, *why);
  }
  const std::size_t size = expanded_size(signature.pattern);
  if (size > kPatternPositionsMax) {
    return make_limit(signature, index,
                      "the pattern's repeats make " + std::to_string(size) +
                          " positions, at most " + std::to_string(kPatternPositionsMax));
  }
  hs_expr_info_t* info = nullptr;
  hs_compile_error_t* error = nullptr;
  const hs_error_t code = hs_expression_info(signature.pattern.c_str(),
                                             signature_flags(signature.flags), &info, &error);
  if (code != HS_SUCCESS) {
    const std::string message = fault_of(error).message;
    return make_fault(signature, index, position_in(message), message);
  }
  const bool matches_nothing_needed = info->min_width == 0;
  std::free(info);
  if (matches_nothing_needed) {
    return make_fault(signature, index, std::nullopt, "the pattern matches empty input");
  }
  return std::nullopt;
}

}  // namespace

std::vector<SignatureFault> check_signatures(std::span<const SignatureSource> signatures) {
  std::vector<SignatureFault> faults;
  if (signatures.size() > kSignaturesMax) {
    faults.push_back({kSignaturesMax, std::nullopt,
                      std::to_string(signatures.size()) + " signatures, at most " +
                          std::to_string(kSignaturesMax),
                      true});
    return faults;
  }
  std::size_t positions = 0;
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    if (auto fault = check_signature(signatures[i], i)) faults.push_back(std::move(*fault));
    const std::size_t before = positions;
    positions += std::min(expanded_size(signatures[i].pattern), kPatternPositionsMax);
    if (before <= kSignaturePositionsMax && positions > kSignaturePositionsMax) {
      faults.push_back(make_limit(signatures[i], i,
                                  "with it the signatures have " + std::to_string(positions) +
                                      " positions, at most " +
                                      std::to_string(kSignaturePositionsMax)));
    }
  }
  return faults;
}

void prepare_patterns(std::span<const SignatureSource> signatures,
                      const std::string& cache_directory) {
  const PatternCache cache(cache_directory);
  databases_of_apps(cache);
  if (signatures.empty() || !check_signatures(signatures).empty()) return;
  const Expressions expressions = signature_expressions(signatures);
  Compiled compiled = compile_cached(expressions, cache);
  auto* database = std::get_if<std::vector<char>>(&compiled);
  if (database == nullptr) return;
  Prepared& ready = prepared();
  const std::lock_guard lock(ready.mutex);
  ready.key = key_of(expressions);
  ready.database = std::move(*database);
}

Result<std::shared_ptr<const L7Patterns>> build_patterns(
    std::span<const SignatureSource> signatures, const std::string& cache_directory) {
  const PatternCache cache(cache_directory);
  L7DatabaseBytes databases = databases_of_apps(cache);
  std::vector<L7Signature> known;
  if (!signatures.empty()) {
    const std::vector<SignatureFault> faults = check_signatures(signatures);
    if (!faults.empty()) {
      return Error{ErrorKind::Invalid, "bad-signature", faults.front().sentence, ""};
    }
    for (const SignatureSource& signature : signatures) {
      known.push_back({signature.id, signature.drops});
    }
    Compiled compiled = compile_cached(signature_expressions(signatures), cache);
    if (const auto* fault = std::get_if<CompileFault>(&compiled)) {
      const std::string which =
          fault->index ? "signature " + signatures[*fault->index].id : "the signatures together";
      return Error{ErrorKind::Invalid, "bad-signature", which + ": " + fault->message, ""};
    }
    databases[kL7SignatureDatabase] = std::move(*std::get_if<0>(&compiled));
  }
  return L7Patterns::load(databases, std::move(known));
}

}  // namespace sluice
