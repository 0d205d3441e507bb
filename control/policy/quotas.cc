#include "control/policy/quotas.h"

#include <algorithm>
#include <array>

#include "control/policy/policy_index.h"
#include "control/policy/table_reader.h"

namespace sluice {

namespace {

// How many of something AWS allows, and, where that can be raised on request, how far.
struct Quota {
  constexpr Quota(std::size_t most, std::size_t most_raised = 0)
      : limit(most), raised(most_raised) {}
  std::size_t limit;
  std::size_t raised;  // 0: no bound of its own
};

constexpr std::size_t kGroupsQuota = 2'500;            // SG-40
constexpr std::size_t kRulesPerGroupMax = 60;          // SG-41
constexpr std::size_t kGroupsPerInterfaceQuota = 5;    // SG-42
constexpr std::size_t kGroupsPerInterfaceRaised = 16;  // SG-42: as far as AWS raises it
constexpr std::size_t kRulesTimesGroupsMax = 1'000;    // SG-43
constexpr std::size_t kPrefixListsQuota = 100;         // SG-44
constexpr std::size_t kEntriesPerListMax = 1'000;      // SG-44
constexpr std::size_t kReferencesPerListMax = 10'000;  // SG-44
constexpr std::size_t kAclsPerVpcMax = 200;            // NA-15
constexpr std::size_t kAclEntriesMax = 20;             // NA-15
constexpr std::size_t kAclEntriesRaised = 40;          // NA-15: as far as AWS raises it

class QuotaCheck {
 public:
  QuotaCheck(const Policy& policy, Findings& findings)
      : policy_(policy), index_(policy), findings_(findings) {}

  void run() {
    compare(policy_.groups.size(), kGroupsQuota, {}, "quota-groups",
            "the policy, default groups included, needs {} security groups; a Region has room for");
    for (const SecurityGroup& group : policy_.groups) check_group(group);
    check_conditions();
    for (const Eni& eni : policy_.interfaces) check_interface(eni);
    check_product();
    check_prefix_lists();
    check_acls();
  }

 private:
  // `sentence` holds {} where the number needed goes and ends before the number there is.
  void compare(std::size_t needed, Quota quota, Position at, std::string_view code,
               std::string sentence) {
    if (needed <= quota.limit) return;
    sentence.replace(sentence.find("{}"), 2, std::to_string(needed));
    std::string room = std::to_string(quota.limit);
    if (quota.raised != 0 && needed > quota.raised) {
      room = std::to_string(quota.raised) + ", however far AWS raises the quota";
    } else if (quota.raised != 0) {
      room += ", and for " + std::to_string(quota.raised) + " where AWS raises the quota";
    }
    findings_.over_limit(at, code, "AWS quota: " + sentence + " " + room);
  }

  // SG-45: what a rule counts for a family.
  std::size_t weight(const SecurityRule& rule, Family family) const {
    if (const auto* cidr = std::get_if<Cidr>(&rule.peer)) return cidr->family() == family ? 1 : 0;
    if (const auto* name = std::get_if<PrefixListName>(&rule.peer)) {
      const PrefixList* list = index_.prefix_list(name->id);
      return list != nullptr && list->family == family ? list->max_entries : 0;
    }
    return 1;  // a group takes one slot of each family (SG-30)
  }

  // What no AWS security group has: an application, names.
  void check_conditions() {
    std::size_t needed = 0;
    Position first;
    for (const SecurityGroup& group : policy_.groups) {
      for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
        for (const SecurityRule& rule : group.rules(direction)) {
          if (rule.condition.is_none()) continue;
          if (needed++ == 0) first = rule.condition_at;
        }
      }
    }
    compare(needed, Quota(0), first, "quota-app-rules",
            "{} rules demand an application or names; a security group of AWS has room for");
  }

  void check_group(const SecurityGroup& group) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      for (const Family family : {Family::Ipv4, Family::Ipv6}) {
        std::size_t needed = 0;
        for (const SecurityRule& rule : group.rules(direction)) needed += weight(rule, family);
        rules_needed_ = std::max(rules_needed_, needed);
        compare(needed, kRulesPerGroupMax, group.at, "quota-rules-per-group",
                "security_group " + quoted(group.id) + " needs {} " +
                    std::string(name_of(direction)) + (family == Family::Ipv4 ? " IPv4" : " IPv6") +
                    " rules (a prefix list counts its max_entries); a group has room for");
      }
    }
  }

  void check_interface(const Eni& eni) {
    groups_needed_ = std::max(groups_needed_, eni.security_groups.size());
    compare(eni.security_groups.size(), {kGroupsPerInterfaceQuota, kGroupsPerInterfaceRaised},
            eni.groups_at, "quota-groups-per-interface",
            "interface " + quoted(eni.id) + " needs {} security groups; an interface has room for");
  }

  // The two quotas can be raised, but not both at will.
  void check_product() {
    const std::size_t rules = std::max(rules_needed_, kRulesPerGroupMax);
    const std::size_t groups = std::max(groups_needed_, kGroupsPerInterfaceQuota);
    compare(rules * groups, kRulesTimesGroupsMax, {}, "quota-rules-times-groups",
            "rules per group times groups per interface would have to be raised to " +
                std::to_string(rules) + " x " + std::to_string(groups) +
                " = {}; the product is at most");
  }

  void check_prefix_lists() {
    compare(policy_.prefix_lists.size(), kPrefixListsQuota, {}, "quota-prefix-lists",
            "the policy needs {} prefix lists; a Region has room for");
    std::unordered_map<std::string_view, std::size_t> references;
    for (const SecurityGroup& group : policy_.groups) {
      for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
        for (const SecurityRule& rule : group.rules(direction)) {
          if (const auto* name = std::get_if<PrefixListName>(&rule.peer)) ++references[name->id];
        }
      }
    }
    for (const PrefixList& list : policy_.prefix_lists) {
      const std::string what = "prefix_list " + quoted(list.id);
      compare(list.max_entries, kEntriesPerListMax, list.at, "quota-entries-per-list",
              what + " needs room for {} entries; a list has room for");
      compare(references[list.id], kReferencesPerListMax, list.at, "quota-references-per-list",
              what + " is named by {} rules; it may be by");
    }
  }

  void check_acls() {
    std::unordered_map<std::string_view, std::size_t> acls_of_vpc;
    for (const NetworkAcl& acl : policy_.acls) {
      ++acls_of_vpc[acl.vpc];
      for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
        compare(acl.entries(direction).size(), {kAclEntriesMax, kAclEntriesRaised}, acl.at,
                "quota-acl-rules",
                "network_acl " + quoted(acl.id) + " needs {} " + std::string(name_of(direction)) +
                    " rules; an ACL has room for");
      }
    }
    for (const Vpc& vpc : policy_.vpcs) {
      compare(acls_of_vpc[vpc.id], kAclsPerVpcMax, vpc.at, "quota-acls",
              "vpc " + quoted(vpc.id) + " needs {} network ACLs; a VPC has room for");
    }
  }

  const Policy& policy_;
  PolicyIndex index_;
  Findings& findings_;
  std::size_t rules_needed_ = 0;
  std::size_t groups_needed_ = 0;
};

}  // namespace

void check_aws_quotas(const Policy& policy, Findings& findings) {
  QuotaCheck(policy, findings).run();
}

std::vector<Finding> aws_quota_findings(const Policy& policy, std::string_view file_name) {
  Findings findings{std::string(file_name)};
  check_aws_quotas(policy, findings);
  return findings.take();
}

}  // namespace sluice
