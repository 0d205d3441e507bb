#include "lookup/address_classes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "lookup/match_range.h"

namespace sluice {

namespace {

Error broken(const ClassEdit& edit, const char* what) {
  static constexpr const char* kKinds[] = {"rule", "prefix list", "interface", "interface"};
  return broken_input(std::string(kKinds[static_cast<std::size_t>(edit.kind)]) + " number " +
                      std::to_string(edit.number) + ": " + edit.cidr.to_string() + " " + what);
}

bool is_marked(const PrefixFacts& facts) {
  return !facts.is_configured() && facts.owners != PrefixFacts::kNoNumbers;
}

bool is_nothing(const PrefixFacts& facts) {
  return !facts.is_configured() && facts.owners == PrefixFacts::kNoNumbers;
}

}  // namespace

FamilyClasses::Numbers FamilyClasses::numbers_of(std::uint32_t set) const {
  Numbers numbers;
  for_each_number(set, [&](std::uint32_t number) { numbers.push_back(number); });
  return numbers;
}

// The set in its shortest form; the place of the former one is used again or given back.
std::uint32_t FamilyClasses::store(std::uint32_t former, Numbers numbers) {
  const bool was_spilled = former != PrefixFacts::kNoNumbers && former >= kSpilled;
  if (was_spilled) spills_size_ -= size_of(*spills_[former & ~kSpilled]);
  if (numbers.size() <= 1) {
    if (was_spilled) {
      spills_.edit(former & ~kSpilled).reset();
      free_spills_.push_back(former & ~kSpilled);
    }
    return numbers.empty() ? PrefixFacts::kNoNumbers : numbers.front();
  }
  std::uint32_t place = former & ~kSpilled;
  if (!was_spilled) {
    place = spills_.size();
    if (!free_spills_.empty()) {
      place = free_spills_.back();
      free_spills_.pop_back();
    }
  }
  spills_size_ += size_of(numbers);
  spills_.edit(place) = std::make_shared<const Numbers>(std::move(numbers));
  return place | kSpilled;
}

Status FamilyClasses::edit_rules(PrefixFacts& facts, std::span<const ClassEdit> edits) {
  for (const ClassEdit& edit : edits) {
    if (edit.kind != ClassEdit::Kind::Rule) continue;
    if (!edit.is_added && facts.rule_uses == 0) return broken(edit, "is no rule's peer");
    facts.rule_uses += edit.is_added ? 1u : ~0u;
  }
  return Ok();
}

// What goes, then what comes; each merged into the set in one pass, since a prefix may be in as
// many lists as there are.
Status FamilyClasses::edit_set(PrefixFacts& facts, ClassEdit::Kind kind,
                               std::span<const ClassEdit> edits) {
  const auto is_of_kind = [kind](const ClassEdit& edit) { return edit.kind == kind; };
  if (std::none_of(edits.begin(), edits.end(), is_of_kind)) return Ok();
  std::uint32_t& set = kind == ClassEdit::Kind::List ? facts.lists : facts.owners;
  Numbers numbers = numbers_of(set);
  for (const bool is_added : {false, true}) {
    Numbers merged;
    auto next = numbers.begin();
    for (const ClassEdit& edit : edits) {
      if (edit.kind != kind || edit.is_added != is_added) continue;
      while (next != numbers.end() && *next < edit.number) merged.push_back(*next++);
      const bool is_known = next != numbers.end() && *next == edit.number;
      const bool is_twice = is_added && !merged.empty() && merged.back() == edit.number;
      if (is_twice || (is_added && is_known)) return broken(edit, "is there twice");
      if (!is_added && !is_known) return broken(edit, "is not there");
      if (is_added) {
        merged.push_back(edit.number);
      } else {
        ++next;
      }
    }
    merged.insert(merged.end(), next, numbers.end());
    numbers = std::move(merged);
  }
  const bool was_shared = has_many_owners(facts);
  set = store(set, std::move(numbers));
  if (has_many_owners(facts) != was_shared) shared_count_ += was_shared ? ~std::size_t{0} : 1;
  return Ok();
}

PrefixId FamilyClasses::take_id() {
  if (free_prefix_ == PrefixFacts::kNoNumbers) return facts_.size();
  const PrefixId id = free_prefix_;
  PrefixFacts& facts = facts_.edit(id);
  free_prefix_ = facts.owners;
  facts = PrefixFacts();
  return id;
}

void FamilyClasses::give_back(PrefixId id) {
  facts_.edit(id).owners = free_prefix_;
  free_prefix_ = id;
}

// All edits of one prefix, in their order. A prefix that the trie does not have yet goes to
// `fresh`.
Status FamilyClasses::edit_prefix(std::span<const ClassEdit> edits,
                                  std::vector<CidrTrie::Entry>& fresh) {
  const Cidr& cidr = edits.front().cidr;
  const PrefixId known = trie_.find_exact(cidr);
  PrefixFacts facts = known == kNoPrefix ? PrefixFacts() : this->facts(known);
  if (const Status status = edit_rules(facts, edits); !status) return status;
  for (const ClassEdit::Kind kind : {ClassEdit::Kind::List, ClassEdit::Kind::Owner}) {
    if (const Status status = edit_set(facts, kind, edits); !status) return status;
  }
  for (const ClassEdit& one : edits) {
    if (one.kind == ClassEdit::Kind::Owner && one.is_added) owned_.add(one.cidr);
  }
  if (is_nothing(facts)) {
    if (known == kNoPrefix) return Ok();
    trie_.erase(cidr);
    give_back(known & ~kMarkedPrefix);
    return Ok();
  }
  const PrefixId id = known == kNoPrefix ? take_id() : known & ~kMarkedPrefix;
  facts_.edit(id) = facts;
  const PrefixId wanted = is_marked(facts) ? id | kMarkedPrefix : id;
  if (known == kNoPrefix) {
    fresh.push_back({cidr, wanted});
  } else if (known != wanted) {
    trie_.erase(cidr);
    trie_.insert(cidr, wanted);
  }
  return Ok();
}

// The edits of one prefix that say whose it is as a whole.
Status FamilyClasses::edit_delegated(std::span<const ClassEdit> edits) {
  const auto is_delegated = [](const ClassEdit& edit) {
    return edit.kind == ClassEdit::Kind::Delegated;
  };
  if (std::none_of(edits.begin(), edits.end(), is_delegated)) return Ok();
  const Cidr& cidr = edits.front().cidr;
  const PrefixId known = delegated_.find_exact(cidr);
  PrefixFacts facts = known == kNoPrefix ? PrefixFacts() : this->facts(known);
  const Status status = edit_set(facts, ClassEdit::Kind::Delegated, edits);
  if (!status) return status;
  if (facts.owners == PrefixFacts::kNoNumbers) {
    delegated_.erase(cidr);
    if (known != kNoPrefix) give_back(known);
    return Ok();
  }
  const PrefixId id = known == kNoPrefix ? take_id() : known;
  facts_.edit(id) = facts;
  if (known == kNoPrefix) delegated_.insert(cidr, id);
  owned_.add(cidr);
  return Ok();
}

Status FamilyClasses::apply(std::vector<ClassEdit>& edits) {
  std::sort(edits.begin(), edits.end());
  std::vector<CidrTrie::Entry> fresh;  // ascending, as the edits are
  for (std::size_t first = 0; first < edits.size();) {
    std::size_t last = first + 1;
    while (last < edits.size() && edits[last].cidr == edits[first].cidr) ++last;
    const std::span<const ClassEdit> of_one(edits.data() + first, last - first);
    if (const Status status = edit_prefix(of_one, fresh); !status) return status;
    if (const Status status = edit_delegated(of_one); !status) return status;
    first = last;
  }
  if (trie_.prefix_count() == 0) {
    trie_ = CidrTrie(trie_.family(), fresh);
  } else {
    for (const CidrTrie::Entry& entry : fresh) trie_.insert(entry.cidr, entry.id);
  }
  return Ok();
}

std::size_t FamilyClasses::size() const {
  return trie_.size() + delegated_.size() + facts_.memory_size() + spills_.memory_size() +
         spills_size_ + free_spills_.capacity() * sizeof(std::uint32_t) + owned_.size();
}

}  // namespace sluice
