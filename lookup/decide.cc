#include "lookup/decide.h"

#include <algorithm>

#include "base/check.h"
#include "lookup/exempt_list.h"
#include "lookup/snapshot_tables.h"

namespace sluice {

namespace {

WitnessStep step_of(WitnessStep::Kind kind, bool matched) {
  WitnessStep step;
  step.kind = kind;
  step.matched = matched;
  step.allow = matched;
  return step;
}

// The witness of the packet path: sees nothing, costs nothing.
struct NoWitness {
  static constexpr bool kRecords = false;
  void add(const WitnessStep&) {}
  void match(RuleSlot) {}
};

// The witness of `explain`: keeps every step, and every rule that would have allowed.
class RecordingWitness {
 public:
  static constexpr bool kRecords = true;
  explicit RecordingWitness(WitnessSteps& steps) : steps_(steps) {}
  void add(const WitnessStep& step) { steps_.push_back(step); }
  void match(RuleSlot rule) { matches_.push_back(rule); }
  const std::vector<RuleSlot>& matches() const { return matches_; }

 private:
  WitnessSteps& steps_;
  std::vector<RuleSlot> matches_;
};

template <class Witness>
class Judge {
 public:
  Judge(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
        Witness& witness)
      : tables_(tables),
        row_(row),
        question_(question),
        packet_{question.remote.family(), question.proto, question.port},
        witness_(witness) {}

  Decision decide() {
    Decision decision;
    if (is_exempt_traffic()) return exempted();
    const bool is_ingress = question_.direction == Direction::Ingress;
    if (is_ingress && !pass_acl(decision)) return decision;
    if (!pass_groups(decision)) return decision;
    if (!is_ingress && !pass_acl(decision)) return refused_by_acl(decision);
    return decision;
  }

  Decision decide_established() {
    Decision decision;
    if (is_exempt_traffic()) return exempted();
    if (!pass_acl(decision)) return decision;
    decision.verdict = Verdict::Accept;
    decision.by = By::Flow;
    decision.reason = DropReason::None;
    decision.tracked = true;
    return decision;
  }

 private:
  // What the groups say: the smallest rule that allows, and the smallest of those whose peer is
  // every address (CT-4 b).
  struct GroupAnswer {
    RuleSlot best = kNoRule;
    RuleSlot open = kNoRule;
  };

  bool is_exempt_traffic() {
    if (tables_.exempt != ExemptProfile::Aws) return false;
    const ExemptPlace place{tables_.vpcs[row_.vpc.value()].resolvers,
                            tables_.subnets[row_.subnet.value()].routers};
    const bool is_matched = is_exempt(question_, place);
    witness_.add(step_of(WitnessStep::Kind::Exempt, is_matched));
    return is_matched;
  }

  static Decision exempted() {
    Decision decision;
    decision.verdict = Verdict::Accept;
    decision.by = By::Exempt;
    decision.reason = DropReason::None;
    return decision;
  }

  // Fills in decision.acl, and the rest of it if the ACL denies.
  bool pass_acl(Decision& decision) {
    if (tables_.subnets[row_.subnet.value()].contains(question_.remote)) {
      WitnessStep step = step_of(WitnessStep::Kind::AclSkipped, true);
      step.acl = row_.acl;
      witness_.add(step);
      return true;
    }
    const Family family = question_.remote.family();
    LadderAnswer answer = default_acl_answer(family);
    if (!row_.acl.is_none()) {
      const NetworkAcl& acl = tables_.acls[row_.acl.value()].acl;
      answer = acl.ladder(question_.direction, family).ask(question_.remote, packet_);
    }
    decision.acl = {true, answer.allow, row_.acl, answer.rule};
    WitnessStep step = step_of(WitnessStep::Kind::AclEntry, true);
    step.allow = answer.allow;
    step.acl = row_.acl;
    step.acl_rule = answer.rule;
    witness_.add(step);
    if (answer.allow) return true;
    decision.by = By::Acl;
    decision.reason = DropReason::AclDeny;
    return false;
  }

  // Egress only: the groups allowed it, the ACL did not, so no rule let it pass.
  static Decision refused_by_acl(const Decision& allowed) {
    Decision decision;
    decision.by = By::Acl;
    decision.reason = DropReason::AclDeny;
    decision.acl = allowed.acl;
    return decision;
  }

  bool pass_groups(Decision& decision) {
    if (tables_.group_rules.groups(row_.policy).empty()) {
      witness_.add(step_of(WitnessStep::Kind::NoGroups, false));
      return false;
    }
    const GroupAnswer answer = ask_peers();
    if constexpr (Witness::kRecords) add_group_steps(answer);
    if (answer.best == kNoRule) return false;
    const RuleRow& rule = tables_.rules[answer.best];
    decision.verdict = Verdict::Accept;
    decision.by = By::Rule;
    decision.reason = DropReason::None;
    decision.rule = rule.rule;
    decision.group = rule.group;
    decision.tracked = is_tracked(answer);
    return true;
  }

  // Untracked if TCP or UDP, a rule that admits it names every address, and one of the other
  // direction admits every reply (CT-4; vector 8: any matching rule will do).
  bool is_tracked(const GroupAnswer& answer) {
    RuleSlot reply = kNoRule;
    if (has_ports(question_.proto) && answer.open != kNoRule) {
      reply = tables_.group_rules.reply_rule(row_.policy, opposite(question_.direction),
                                             packet_.family, question_.proto);
    }
    const bool is_untracked = reply != kNoRule;
    if constexpr (Witness::kRecords) {
      const auto kind = is_untracked ? WitnessStep::Kind::Untracked : WitnessStep::Kind::Tracked;
      WitnessStep step = step_of(kind, true);
      if (is_untracked) {
        step.rule = tables_.rules[answer.open].rule;
        step.group = tables_.rules[answer.open].group;
        step.other = tables_.rules[reply].rule;
      }
      witness_.add(step);
    }
    return !is_untracked;
  }

  // Everything that the remote address stands for, looked up among the rules of the policy.
  GroupAnswer ask_peers() {
    const Family family = question_.remote.family();
    const FamilyClasses& classes = tables_.classes.of(family);
    GroupAnswer answer;
    std::span<const AddressOwner> owners;
    PrefixId deepest = kNoPrefix;
    classes.trie().for_each_cover(question_.remote, [&](PrefixId id, unsigned length) {
      if (owners.empty()) owners = classes.owners(id);
      if (Witness::kRecords && classes.is_configured(id)) deepest = id;
      if (classes.is_rule_peer(id)) {
        const RuleSlot rule = ask_peer(PeerKey::prefix(family, id), answer);
        if (length == 0) answer.open = std::min(answer.open, rule);
      }
      for (const PrefixListIndex list : classes.lists(id)) ask_peer(PeerKey::list(list), answer);
    });
    if constexpr (Witness::kRecords) add_class_step(classes, owners, deepest);
    for_each_seen_owner(owners, [&](const AddressOwner& owner) {
      for (const GroupIndex group : tables_.group_rules.groups(owner.policy)) {
        ask_peer(PeerKey::group(group), answer);
      }
    });
    return answer;
  }

  // The smallest rule that names the peer and allows the packet; kept if it is the best so far.
  RuleSlot ask_peer(PeerKey key, GroupAnswer& answer) {
    const PeerRules* peer = tables_.group_rules.find(row_.policy, question_.direction, key);
    if (peer == nullptr) return kNoRule;
    const RuleSlot rule = tables_.group_rules.first_match(*peer, packet_);
    answer.best = std::min(answer.best, rule);
    if constexpr (Witness::kRecords) {
      tables_.group_rules.for_each_match(*peer, packet_,
                                         [this](RuleSlot match) { witness_.match(match); });
    }
    return rule;
  }

  // The owners that a group reference of this interface can mean (SG-29): the one in its own VPC;
  // else, where the address is not the VPC's own to route, those in peered VPCs.
  template <class Visit>
  void for_each_seen_owner(std::span<const AddressOwner> owners, Visit&& visit) const {
    if (owners.empty()) return;
    const auto own =
        std::lower_bound(owners.begin(), owners.end(), row_.vpc,
                         [](const AddressOwner& owner, VpcIndex vpc) { return owner.vpc < vpc; });
    if (own != owners.end() && own->vpc == row_.vpc) return visit(*own);
    const VpcRow& vpc = tables_.vpcs[row_.vpc.value()];
    if (vpc.peers.empty() || vpc.contains(question_.remote)) return;
    for (const AddressOwner& owner : owners) {
      if (std::binary_search(vpc.peers.begin(), vpc.peers.end(), owner.vpc)) visit(owner);
    }
  }

  void add_class_step(const FamilyClasses& classes, std::span<const AddressOwner> owners,
                      PrefixId deepest) {
    WitnessStep step = step_of(WitnessStep::Kind::RemoteClass, false);
    for_each_seen_owner(owners, [&step](const AddressOwner& owner) {
      if (!step.matched) step.eni = owner.eni;
      step.matched = true;
    });
    if (deepest != kNoPrefix) {
      step.has_cidr = true;
      step.cidr = classes.cidr(deepest);
    }
    witness_.add(step);
  }

  // One step for each group of the interface, with its own smallest rule, then the answer.
  void add_group_steps(const GroupAnswer& answer) {
    for (const GroupIndex group : tables_.group_rules.groups(row_.policy)) {
      RuleSlot best = kNoRule;
      for (const RuleSlot match : witness_.matches()) {
        if (tables_.rules[match].group == group) best = std::min(best, match);
      }
      WitnessStep step = step_of(WitnessStep::Kind::Group, best != kNoRule);
      step.group = group;
      if (best != kNoRule) step.rule = tables_.rules[best].rule;
      witness_.add(step);
    }
    if (answer.best == kNoRule) return;
    WitnessStep step = step_of(WitnessStep::Kind::RuleMatched, true);
    step.rule = tables_.rules[answer.best].rule;
    step.group = tables_.rules[answer.best].group;
    witness_.add(step);
  }

  const SnapshotTables& tables_;
  const InterfaceRow& row_;
  const Question& question_;
  const PacketKind packet_;
  Witness& witness_;
};

const InterfaceRow& required_row(const PolicySnapshot& snapshot, EniIndex eni) {
  const InterfaceRow* row = snapshot.find_interface(eni);
  CHECK(row != nullptr);
  return *row;
}

}  // namespace

Decision decide(const PolicySnapshot& snapshot, const Question& question) {
  NoWitness witness;
  const InterfaceRow& row = required_row(snapshot, question.eni);
  return Judge<NoWitness>(snapshot.tables(), row, question, witness).decide();
}

Decision decide(const PolicySnapshot& snapshot, const Question& question, WitnessSteps& steps) {
  RecordingWitness witness(steps);
  const InterfaceRow& row = required_row(snapshot, question.eni);
  return Judge<RecordingWitness>(snapshot.tables(), row, question, witness).decide();
}

Decision decide_established(const PolicySnapshot& snapshot, const Question& question) {
  NoWitness witness;
  const InterfaceRow& row = required_row(snapshot, question.eni);
  return Judge<NoWitness>(snapshot.tables(), row, question, witness).decide_established();
}

Decision decide_established(const PolicySnapshot& snapshot, const Question& question,
                            WitnessSteps& steps) {
  RecordingWitness witness(steps);
  const InterfaceRow& row = required_row(snapshot, question.eni);
  return Judge<RecordingWitness>(snapshot.tables(), row, question, witness).decide_established();
}

}  // namespace sluice
