#include "lookup/decide.h"

#include "lookup/judge.h"
#include "lookup/remote_peers.h"

namespace sluice {

namespace {

// The smallest rule seen so far.
class SmallestRule {
 public:
  explicit SmallestRule(const SnapshotTables& tables) : rules_(tables.rules) {}
  void see(RuleIndex rule) {
    const bool is_smaller =
        best_.is_none() || rules_[rule.value()].order() < rules_[best_.value()].order();
    if (is_smaller) best_ = rule;
  }
  RuleIndex get() const { return best_; }

 private:
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
        best.see(lanes.rules[lane]);
        if (is_any_address) open.see(lanes.rules[lane]);
      });
    });
    note_groups(tables, row, matches);
    if (best.get().is_none()) return {};
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
    return {best.get(), tracked};
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
    best.see(lanes.rules[lane]);
    is_open = is_open || is_any_address;
  });
  // Untracked if TCP or UDP, a rule that admits it names every address, and one of the other
  // direction admits every reply (CT-4; vector 8: any matching rule will do).
  bool has_reply = false;
  if (is_open && has_ports(question.proto)) {
    for_each_reply_rule(tables, row, question.direction, packet.family, question.proto,
                        [&](RuleIndex) { has_reply = true; });
  }
  return {best.get(), !has_reply};
}

Decision decide(const PolicySnapshot& snapshot, const Question& question) {
  AskedGroups groups;
  return Judge(snapshot, question, groups).decide();
}

Decision decide(const PolicySnapshot& snapshot, const Question& question, WitnessSteps& steps) {
  WitnessedGroups groups(steps);
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
