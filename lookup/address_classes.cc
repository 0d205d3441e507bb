#include "lookup/address_classes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "lookup/match_range.h"

namespace sluice {

namespace {

Error broken(const ClassEdit& edit, const char* what) {
  static constexpr const char* kKinds[] = {"rule", "prefix list", "interface"};
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

Status FamilyClasses::edit(PrefixFacts& facts, const ClassEdit& edit) {
  if (edit.kind == ClassEdit::Kind::Rule) {
    if (!edit.is_added && facts.rule_uses == 0) return broken(edit, "is no rule's peer");
    facts.rule_uses += edit.is_added ? 1u : ~0u;
    return Ok();
  }
  if (edit.kind == ClassEdit::Kind::Owner && edit.is_added) owned_.add(edit.cidr);
  std::uint32_t& set = edit.kind == ClassEdit::Kind::List ? facts.lists : facts.owners;
  Numbers numbers = numbers_of(set);
  const auto place = std::lower_bound(numbers.begin(), numbers.end(), edit.number);
  const bool is_there = place != numbers.end() && *place == edit.number;
  if (is_there == edit.is_added) return broken(edit, is_there ? "is there twice" : "is not there");
  const bool was_shared = has_many_owners(facts);
  if (edit.is_added) {
    numbers.insert(place, edit.number);
  } else {
    numbers.erase(place);
  }
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

// All edits of one prefix. A prefix that the trie does not have yet goes to `fresh`.
Status FamilyClasses::edit_prefix(std::span<const ClassEdit> edits,
                                  std::vector<CidrTrie::Entry>& fresh) {
  const Cidr& cidr = edits.front().cidr;
  const PrefixId known = trie_.find_exact(cidr);
  PrefixFacts facts = known == kNoPrefix ? PrefixFacts() : this->facts(known);
  for (const ClassEdit& one : edits) {
    if (const Status status = edit(facts, one); !status) return status;
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

Status FamilyClasses::apply(std::vector<ClassEdit>& edits) {
  std::sort(edits.begin(), edits.end());
  std::vector<CidrTrie::Entry> fresh;  // ascending, as the edits are
  for (std::size_t first = 0; first < edits.size();) {
    std::size_t last = first + 1;
    while (last < edits.size() && edits[last].cidr == edits[first].cidr) ++last;
    const std::span<const ClassEdit> of_one(edits.data() + first, last - first);
    if (const Status status = edit_prefix(of_one, fresh); !status) return status;
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
  return trie_.size() + facts_.memory_size() + spills_.memory_size() + spills_size_ +
         free_spills_.capacity() * sizeof(std::uint32_t) + owned_.size();
}

}  // namespace sluice
