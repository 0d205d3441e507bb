#pragma once

// What is to be logged, and how: an immutable description made from the policy at each apply.
//
// The exporter reads nothing else of a policy. Interfaces are found by their stable number; each
// says which flow logs cover it (FL-23) and which addresses are its own (FL-20). Plain values;
// handed over as a shared pointer to const, any thread may read.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/cidr.h"
#include "base/ids.h"
#include "base/verdict.h"
#include "control/flowlog/fields.h"
#include "control/policy/flow_log.h"

namespace sluice {

struct Policy;
struct Registry;

constexpr bool covers(LogTraffic traffic, Verdict action) {
  return traffic == LogTraffic::All ||
         (traffic == LogTraffic::Accept) == (action == Verdict::Accept);
}

// One `[[flow_log]]`.
struct LogSpec {
  std::string id;
  RecordFormat format;
  LogTraffic traffic = LogTraffic::All;
  std::uint32_t interval_s = 60;  // 60 or 600 (FL-11)
  std::string path;               // of the destination file
  bool header = false;            // FL-4
  std::uint64_t rotate_size = 0;  // bytes; 0: never rotated
  unsigned rotate_keep = 0;       // former files kept

  bool operator==(const LogSpec&) const = default;
};

// An interface as records name it.
struct LoggedInterface {
  std::string name;
  std::string account = "-";
  std::string vpc = "-";
  std::string subnet = "-";
  std::string instance = "-";
  std::vector<IpAddr> addresses;    // the first of each family is the primary one
  std::vector<Cidr> prefixes;       // delegated: their addresses are secondary ones (SG-28)
  std::vector<std::uint32_t> logs;  // those that cover it, as indexes of LogPlan::logs, ascending
  bool present = false;             // the policy has it; false: gone, or never was

  // The first address of the family, none if it has none.
  std::optional<IpAddr> primary(Family family) const;
  // The interface's side of a record (FL-20): traffic to a secondary IPv4 address, or to or from
  // an address that is not its own, shows the primary address of that family.
  IpAddr shown_address(const IpAddr& local, Direction direction) const;
};

struct LogPlan {
  std::vector<LogSpec> logs;                // in the order of the policy
  std::vector<LoggedInterface> interfaces;  // by EniIndex

  const LoggedInterface* find(EniIndex eni) const {
    return eni.value() < interfaces.size() ? &interfaces[eni.value()] : nullptr;
  }
};

// The plan of a policy that was checked. Control thread. Cost: proportional to the policy.
std::shared_ptr<const LogPlan> make_log_plan(const Policy& policy, Registry& registry);

// `next` with what only `former` still knows: interfaces that left the policy, so that what their
// flows did up to then is still named, and written by those logs that live on.
std::shared_ptr<const LogPlan> carry_over(const LogPlan& former, const LogPlan& next);

}  // namespace sluice
