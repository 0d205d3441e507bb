#pragma once

// What a rule demands of a connection beyond its addresses and ports: the application, and the name
// that its client asks for. Such a rule admits a connection on probation; it is judged when the
// first bytes have told (decide.h).
//
// Immutable; any thread reads.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lookup/l7_app.h"

namespace sluice {

// A set of host names: whole ones ("example.com"), and everything below one ("*.example.org", which
// is not example.org itself, but names of any depth below it). All in lower case.
class DomainSet {
 public:
  DomainSet() = default;
  // In any order; duplicates count once.
  explicit DomainSet(std::vector<std::string> domains);

  // `name` in lower case without a final dot. O(labels of the name times log of the set).
  bool contains(std::string_view name) const;
  bool empty() const { return domains_.empty(); }
  // Ascending.
  const std::vector<std::string>& domains() const { return domains_; }
  bool operator==(const DomainSet&) const = default;

 private:
  std::vector<std::string> domains_;
};

struct RuleCondition {
  App app = App::Unknown;  // Unknown: any application that has names, `domains` is not empty then
  DomainSet domains;       // empty: any name, or none

  bool is_none() const { return app == App::Unknown && domains.empty(); }
  bool operator==(const RuleCondition&) const = default;
};

// Memory held, in bytes.
std::size_t size_of(const RuleCondition& condition);

// Of a connection whose first bytes there was no room or time to look at.
inline constexpr App kUninspected{63};

// The word in outputs; "uninspected" for kUninspected, "unknown" for what is no application.
constexpr std::string_view app_word(App app) {
  if (app == kUninspected) return "uninspected";
  return static_cast<std::size_t>(app) < kApps ? name_of(app) : name_of(App::Unknown);
}

// What the first bytes of a connection told.
struct Identified {
  App app = App::Unknown;  // or kUninspected
  std::string_view name;   // empty: none was given
};

// Of how much of a condition a connection is.
enum class ConditionFit : unsigned char { OtherApp, OtherName, Met };
ConditionFit fit_of(const RuleCondition& condition, const Identified& identified);

}  // namespace sluice
