#include "lookup/decide.h"

#include <tuple>

#include "lookup/judge.h"
#include "lookup/remote_peers.h"

namespace sluice {

namespace {

// The smallest rule seen so far; one that demands nothing comes before all that do.
class SmallestRule {
 public:
  explicit SmallestRule(const SnapshotTables& tables) : rules_(tables.rules) {}
  // Whether the rule is a plain one.
  bool see(RuleIndex rule) {
    const RuleRow& row = rules_[rule.value()];
    if (best_.is_none() || rank_of(row) < rank_of(rules_[best_.value()])) best_ = rule;
    return !row.is_conditional;
  }
  RuleIndex get() const { return best_; }
  bool is_conditional() const { return !best_.is_none() && rules_[best_.value()].is_conditional; }

 private:
  static std::tuple<bool, RuleOrder> rank_of(const RuleRow& row) {
    return {row.is_conditional, row.order()};
  }
  const PersistentArray<RuleRow>& rules_;
  RuleIndex best_;
};

// Asks the rules themselves.
struct AskedGroups {
  void note(const WitnessStep&) {}
  GroupAnswer ask(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
                  const PacketKind& packet) {
    return ask_groups(tables, row, question, packet);
  }
};

// The same for `explain`: keeps every step, and every rule that would have allowed.
class WitnessedGroups {
 public:
  explicit WitnessedGroups(WitnessSteps& steps) : steps_(steps) {}
  void note(const WitnessStep& step) { steps_.push_back(step); }

  GroupAnswer ask(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
                  const PacketKind& packet) {
    if (tables.policies.groups(row.policy).empty()) {
      note(witness_step(WitnessStep::Kind::NoGroups, false));
      return {};
    }
    const std::uint16_t proto = RuleLanes::proto_of(packet);
    const RemotePeers peers(tables, row, question.direction, question.remote);
    note_class(tables, row, question.remote, peers);
    SmallestRule best(tables);
    SmallestRule open(tables);
    std::vector<RuleIndex> matches;
    peers.for_each_run([&](const RuleLanes& lanes, bool is_any_address) {
      lanes.for_each_match(proto, packet.port, [&](std::uint32_t lane) {
        matches.push_back(lanes.rules[lane]);
        const bool is_plain = best.see(lanes.rules[lane]);
        if (is_any_address && is_plain) open.see(lanes.rules[lane]);
      });
    });
    note_groups(tables, row, matches);
    if (best.get().is_none()) return {};
    if (best.is_conditional()) {
      for (const RuleIndex match : matches) {
        note_rule(tables, WitnessStep::Kind::OnProbation, match);
      }
      note(witness_step(WitnessStep::Kind::Tracked, true));
      return allowed_by(tables, best.get(), true, true);
    }
    note_rule(tables, WitnessStep::Kind::RuleMatched, best.get());
    SmallestRule reply(tables);
    if (!open.get().is_none() && has_ports(question.proto)) {
      for_each_reply_rule(tables, row, question.direction, packet.family, question.proto,
                          [&](RuleIndex rule) { reply.see(rule); });
    }
    const bool tracked = reply.get().is_none();
    if (tracked) {
      note(witness_step(WitnessStep::Kind::Tracked, true));
    } else {
      note_rule(tables, WitnessStep::Kind::Untracked, open.get(), reply.get());
    }
    return allowed_by(tables, best.get(), tracked, false);
  }

 private:
  void note_rule(const SnapshotTables& tables, WitnessStep::Kind kind, RuleIndex rule,
                 RuleIndex other = RuleIndex()) {
    WitnessStep step = witness_step(kind, true);
    step.rule = rule;
    step.group = tables.rules[rule.value()].group;
    step.other = other;
    note(step);
  }

  void note_class(const SnapshotTables& tables, const InterfaceRow& row, const IpAddr& remote,
                  const RemotePeers& peers) {
    WitnessStep step = witness_step(WitnessStep::Kind::RemoteClass, false);
    for_each_seen_owner(tables, row, remote, peers.longest(), [&step](const InterfaceRow& owner) {
      if (!step.matched) step.eni = owner.eni;
      step.matched = true;
    });
    const FamilyClasses& classes = tables.classes.of(remote.family());
    classes.delegated().for_each_cover(remote, [&](PrefixId id, unsigned length) {
      classes.for_each_owner(classes.facts(id), [&](EniIndex eni) {
        if (!step.matched || eni != step.eni) return;
        step.has_delegated = true;
        step.delegated = Cidr(remote, static_cast<std::uint8_t>(length));
      });
    });
    step.has_cidr = peers.has_cover();
    if (step.has_cidr) {
      step.cidr = Cidr(remote, static_cast<std::uint8_t>(peers.deepest_length()));
    }
    note(step);
  }

  // One step for each group of the interface, with its own smallest rule.
  void note_groups(const SnapshotTables& tables, const InterfaceRow& row,
                   const std::vector<RuleIndex>& matches) {
    for (const GroupIndex group : tables.policies.groups(row.policy)) {
      SmallestRule best(tables);
      for (const RuleIndex match : matches) {
        if (tables.rules[match.value()].group == group) best.see(match);
      }
      WitnessStep step = witness_step(WitnessStep::Kind::Group, !best.get().is_none());
      step.group = group;
      step.rule = best.get();
      note(step);
    }
  }

  WitnessSteps& steps_;
};

// Asks which rules admit a connection of which it is known what it is.
class IdentifiedGroups {
 public:
  // `steps` null: nobody wants to know the way.
  IdentifiedGroups(const Identified& identified, WitnessSteps* steps)
      : identified_(identified), steps_(steps) {}
  void note(const WitnessStep& step) {
    if (steps_ != nullptr) steps_->push_back(step);
  }

  GroupAnswer ask(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
                  const PacketKind& packet) {
    const std::uint16_t proto = RuleLanes::proto_of(packet);
    SmallestRule best(tables);
    bool has_app = false;
    bool is_demanded = false;
    const RemotePeers peers(tables, row, question.direction, question.remote);
    peers.for_each_run([&](const RuleLanes& lanes, bool) {
      lanes.for_each_match(proto, packet.port, [&](std::uint32_t lane) {
        const RuleIndex rule = lanes.rules[lane];
        const ConditionFit fit = fit_of_rule(tables, rule);
        is_demanded = true;
        has_app = has_app || fit == ConditionFit::OtherName;
        if (fit == ConditionFit::Met) best.see(rule);
        if (fit != ConditionFit::Met) note_rule(tables, WitnessStep::Kind::DemandUnmet, rule);
      });
    });
    if (!best.get().is_none()) {
      note_rule(tables, WitnessStep::Kind::RuleMatched, best.get());
      return allowed_by(tables, best.get(), true, false);
    }
    GroupAnswer answer;
    if (is_demanded) answer.refusal = refusal(has_app);
    return answer;
  }

 private:
  bool is_untold() const {
    return identified_.app == App::Unknown || identified_.app == kUninspected;
  }
  ConditionFit fit_of_rule(const SnapshotTables& tables, RuleIndex rule) const {
    if (!tables.rules[rule.value()].is_conditional) return ConditionFit::Met;
    if (is_untold()) {
      return tables.layer7.allow_unknown ? ConditionFit::Met : ConditionFit::OtherApp;
    }
    return fit_of(*tables.conditions[rule.value()], identified_);
  }
  DropReason refusal(bool has_app) const {
    if (identified_.app == App::Unknown) return DropReason::AppUnknown;
    if (identified_.app == kUninspected) return DropReason::AppUninspected;
    return has_app ? DropReason::DomainMismatch : DropReason::AppMismatch;
  }
  void note_rule(const SnapshotTables& tables, WitnessStep::Kind kind, RuleIndex rule) {
    WitnessStep step = witness_step(kind, kind == WitnessStep::Kind::RuleMatched);
    step.rule = rule;
    step.group = tables.rules[rule.value()].group;
    note(step);
  }

  const Identified& identified_;
  WitnessSteps* steps_;
};

}  // namespace

GroupAnswer ask_groups(const SnapshotTables& tables, const InterfaceRow& row,
                       const Question& question, const PacketKind& packet) {
  const std::uint16_t proto = RuleLanes::proto_of(packet);
  SmallestRule best(tables);
  bool is_open = false;
  const RemotePeers peers(tables, row, question.direction, question.remote);
  peers.for_each_run([&](const RuleLanes& lanes, bool is_any_address) {
    const std::uint32_t lane = lanes.first_match(proto, packet.port);
    if (lane == lanes.count) return;
    const bool is_plain = best.see(lanes.rules[lane]);
    is_open = is_open || (is_any_address && is_plain);
  });
  if (best.get().is_none()) return {};
  if (best.is_conditional()) return allowed_by(tables, best.get(), true, true);
  // Untracked if TCP or UDP, a rule that admits it names every address, and one of the other
  // direction admits every reply (CT-4; vector 8: any matching rule will do).
  bool has_reply = false;
  if (is_open && has_ports(question.proto)) {
    for_each_reply_rule(tables, row, question.direction, packet.family, question.proto,
                        [&](RuleIndex) { has_reply = true; });
  }
  return allowed_by(tables, best.get(), !has_reply, false);
}

Decision decide(const PolicySnapshot& snapshot, const Question& question) {
  AskedGroups groups;
  return Judge(snapshot, question, groups).decide();
}

Decision decide(const PolicySnapshot& snapshot, const Question& question, WitnessSteps& steps) {
  WitnessedGroups groups(steps);
  return Judge(snapshot, question, groups).decide();
}

Decision decide_identified(const PolicySnapshot& snapshot, const Question& question,
                           const Identified& identified) {
  IdentifiedGroups groups(identified, nullptr);
  return Judge(snapshot, question, groups).decide();
}

Decision decide_identified(const PolicySnapshot& snapshot, const Question& question,
                           const Identified& identified, WitnessSteps& steps) {
  IdentifiedGroups groups(identified, &steps);
  return Judge(snapshot, question, groups).decide();
}

Decision decide_established(const PolicySnapshot& snapshot, const Question& question) {
  AskedGroups groups;
  return Judge(snapshot, question, groups).decide_established();
}

Decision decide_established(const PolicySnapshot& snapshot, const Question& question,
                            WitnessSteps& steps) {
  WitnessedGroups groups(steps);
  return Judge(snapshot, question, groups).decide_established();
}

}  // namespace sluice
