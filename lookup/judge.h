#pragma once

// The order of questions, once: exempt list, network ACL, groups (see decide.h). Who answers for
// the groups is a parameter, so that the uncached, the witnessed and the cached answer are the same
// code around it.
//
// Private to lookup.

#include "base/check.h"
#include "lookup/decide.h"
#include "lookup/exempt_list.h"
#include "lookup/packet_kind.h"
#include "lookup/snapshot_tables.h"

namespace sluice {

inline WitnessStep witness_step(WitnessStep::Kind kind, bool matched) {
  WitnessStep step;
  step.kind = kind;
  step.matched = matched;
  step.allow = matched;
  return step;
}

// What the groups say. `rule` none: no rule allows it.
struct GroupAnswer {
  RuleIndex rule;
  GroupIndex group;  // the rule's
  bool tracked = true;
  bool conditional = false;                 // the rule demands an application or a name
  DropReason refusal = DropReason::NoRule;  // where there is no rule
};

inline GroupAnswer allowed_by(const SnapshotTables& tables, RuleIndex rule, bool tracked,
                              bool conditional) {
  return {rule, tables.rules[rule.value()].group, tracked, conditional};
}

// Asks the rules of the interface's groups themselves, the long way.
GroupAnswer ask_groups(const SnapshotTables& tables, const InterfaceRow& row,
                       const Question& question, const PacketKind& packet);

// The row of an interface that must be there.
inline const InterfaceRow& required_row(const PolicySnapshot& snapshot, EniIndex eni) {
  const InterfaceRow* row = snapshot.find_interface(eni);
  CHECK(row != nullptr);
  return *row;
}

// Groups: `GroupAnswer ask(tables, row, question, packet)`, and `void note(step)`, which records a
// step of the way or does nothing.
template <class Groups>
class Judge {
 public:
  Judge(const PolicySnapshot& snapshot, const Question& question, Groups& groups)
      : Judge(snapshot, required_row(snapshot, question.eni), question, groups) {}
  // `row`: of the question's interface.
  Judge(const PolicySnapshot& snapshot, const InterfaceRow& row, const Question& question,
        Groups& groups)
      : tables_(snapshot.tables()),
        row_(row),
        question_(question),
        packet_{question.remote.family(), question.proto, question.port},
        groups_(groups) {}

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
  bool is_exempt_traffic() {
    if (tables_.exempt != ExemptProfile::Aws) return false;
    const ExemptPlace place{tables_.vpcs[row_.vpc.value()]->resolvers,
                            tables_.subnets[row_.subnet.value()]->routers};
    const bool is_matched = is_exempt(question_, place);
    groups_.note(witness_step(WitnessStep::Kind::Exempt, is_matched));
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
    if (tables_.subnets[row_.subnet.value()]->contains(question_.remote)) {
      WitnessStep step = witness_step(WitnessStep::Kind::AclSkipped, true);
      step.acl = row_.acl;
      groups_.note(step);
      return true;
    }
    const Family family = question_.remote.family();
    LadderAnswer answer = default_acl_answer(family);
    if (!row_.acl.is_none()) {
      const NetworkAcl& acl = *tables_.acls[row_.acl.value()];
      answer = acl.ladder(question_.direction, family).ask(question_.remote, packet_);
    }
    decision.acl = {true, answer.allow, row_.acl, answer.rule};
    WitnessStep step = witness_step(WitnessStep::Kind::AclEntry, true);
    step.allow = answer.allow;
    step.acl = row_.acl;
    step.acl_rule = answer.rule;
    groups_.note(step);
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
    const GroupAnswer answer = groups_.ask(tables_, row_, question_, packet_);
    if (answer.rule.is_none()) {
      decision.reason = answer.refusal;
      return false;
    }
    decision.verdict = Verdict::Accept;
    decision.by = By::Rule;
    decision.reason = DropReason::None;
    decision.rule = answer.rule;
    decision.group = answer.group;
    decision.tracked = answer.tracked;
    decision.conditional = answer.conditional;
    return true;
  }

  const SnapshotTables& tables_;
  const InterfaceRow& row_;
  const Question& question_;
  const PacketKind packet_;
  Groups& groups_;
};

}  // namespace sluice
