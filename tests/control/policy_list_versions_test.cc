// Versions of prefix lists: what is kept of them, beside whole copies of every version.

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "control/policy/list_versions.h"

namespace sluice {
namespace {

std::vector<PrefixListEntry> entries_of(const std::map<std::string, std::string>& texts) {
  std::vector<PrefixListEntry> entries;
  for (const auto& [cidr, description] : texts) {
    entries.push_back({Cidr::parse(cidr).value(), description, {}});
  }
  return entries;
}

Policy policy_of(const std::map<std::string, std::string>& entries, const char* id = "pl-a") {
  Policy policy;
  PrefixList list;
  list.id = id;
  list.entries = entries_of(entries);
  policy.prefix_lists.push_back(std::move(list));
  return policy;
}

ListStamp stamp(std::uint32_t generation) {
  return {Generation(generation), 1'000 + generation, 7, "why"};
}

// `CIDR=description` of each, by address.
std::vector<std::string> texts_of(const std::vector<PrefixListEntry>& entries) {
  std::vector<std::pair<Cidr, std::string>> sorted;
  for (const PrefixListEntry& entry : entries) sorted.emplace_back(entry.cidr, entry.description);
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> texts;
  for (const auto& [cidr, description] : sorted) {
    texts.push_back(cidr.to_string() + "=" + description);
  }
  return texts;
}

// The entries that the first list of `now` had in a version.
std::vector<std::string> texts_at(const ListVersions& versions, const Policy& now,
                                  std::uint64_t number) {
  const PrefixList& list = now.prefix_lists.at(0);
  const std::optional<ListUndo> undo = versions.undo_to(list.id, number);
  if (!undo) return {"not kept"};
  std::vector<PrefixListEntry> entries = undo->restored;
  for (const PrefixListEntry& entry : list.entries) {
    if (!undo->absent.contains(entry.cidr)) entries.push_back(entry);
  }
  return texts_of(entries);
}

// What all versions of both lists take.
std::size_t size_of(const ListVersions& versions) {
  std::size_t size = 0;
  for (const char* list : {"pl-a", "pl-b"}) {
    for (const ListVersion& version : versions.of(list)) size += version.size();
  }
  return size;
}

TEST(ListVersions, begin_at_one_and_grow_with_each_change) {  // PL-2
  ListVersions versions;
  const Policy first = policy_of({{"10.0.0.0/8", "a"}, {"10.1.0.0/16", "b"}});
  versions.record(nullptr, first, stamp(1));
  const Policy second = policy_of({{"10.0.0.0/8", "other"}, {"10.2.0.0/16", ""}});
  versions.record(&first, second, stamp(5));
  const auto& kept = versions.of("pl-a");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].number, 1u);
  EXPECT_EQ(kept[0].change, nullptr);
  EXPECT_EQ(kept[1].number, 2u);
  EXPECT_EQ(kept[1].stamp->generation, Generation(5));
  EXPECT_EQ(kept[1].entry_count, 2u);
  EXPECT_EQ(texts_of(kept[1].change->added),
            (std::vector<std::string>{"10.0.0.0/8=other", "10.2.0.0/16="}));
  EXPECT_EQ(texts_of(kept[1].change->removed),
            (std::vector<std::string>{"10.0.0.0/8=a", "10.1.0.0/16=b"}));
  EXPECT_EQ(texts_at(versions, second, 1),
            (std::vector<std::string>{"10.0.0.0/8=a", "10.1.0.0/16=b"}));
  EXPECT_EQ(texts_at(versions, second, 0), std::vector<std::string>{"not kept"});
  EXPECT_EQ(texts_at(versions, second, 3), std::vector<std::string>{"not kept"});
}

TEST(ListVersions, do_not_grow_when_nothing_or_only_the_order_changes) {
  ListVersions versions;
  const Policy first = policy_of({{"10.0.0.0/8", "a"}, {"10.1.0.0/16", "b"}});
  versions.record(nullptr, first, stamp(1));
  Policy other = first;
  std::swap(other.prefix_lists[0].entries[0], other.prefix_lists[0].entries[1]);
  other.prefix_lists[0].max_entries = 99;
  versions.record(&first, other, stamp(2));
  EXPECT_EQ(versions.of("pl-a").size(), 1u);
}

TEST(ListVersions, of_a_list_that_was_away_begin_anew) {
  ListVersions versions;
  const Policy first = policy_of({{"10.0.0.0/8", ""}});
  const Policy second = policy_of({{"10.1.0.0/16", ""}});
  versions.record(nullptr, first, stamp(1));
  versions.record(&first, second, stamp(2));
  const Policy without = policy_of({}, "pl-b");
  versions.record(&second, without, stamp(3));
  EXPECT_TRUE(versions.of("pl-a").empty());
  versions.record(&without, first, stamp(4));
  ASSERT_EQ(versions.of("pl-a").size(), 1u);
  EXPECT_EQ(versions.of("pl-a")[0].number, 1u);
}

TEST(ListVersions, push_out_the_oldest_beyond_their_number) {  // SG-44
  ListVersions versions;
  Policy now = policy_of({});
  versions.record(nullptr, now, stamp(1));
  for (std::uint32_t i = 0; i < kListVersionsMax + 10; ++i) {
    const PrefixListEntry entry{Cidr(IpAddr::v4(0x0a000000 + i), 32), "", {}};
    now.prefix_lists[0].entries.push_back(entry);
    versions.record({"pl-a", {entry}, {}}, now.prefix_lists[0].entries.size(),
                    std::make_shared<const ListStamp>(stamp(i + 2)));
  }
  const auto& kept = versions.of("pl-a");
  ASSERT_EQ(kept.size(), kListVersionsMax);
  EXPECT_EQ(kept.front().number, 12u);
  EXPECT_EQ(kept.front().change, nullptr);
  EXPECT_EQ(texts_at(versions, now, 11), std::vector<std::string>{"not kept"});
  EXPECT_EQ(texts_at(versions, now, 12).size(), 11u);
}

// Two lists whose entries are all replaced in turns.
class LargeLists : public testing::Test {
 protected:
  LargeLists() {
    now.prefix_lists.push_back(policy_of({}, "pl-b").prefix_lists[0]);
    versions.record(nullptr, now, stamp(1));
  }

  void replace(std::size_t place, std::uint32_t generation, std::uint32_t count) {
    const Policy before = now;
    std::vector<PrefixListEntry>& entries = now.prefix_lists[place].entries;
    entries.clear();
    for (std::uint32_t i = 0; i < count; ++i) {
      entries.push_back({Cidr(IpAddr::v4((generation << 24) + i), 32), "", {}});
    }
    versions.record(&before, now, stamp(generation));
    EXPECT_LE(size_of(versions), kListHistorySize);
  }

  ListVersions versions;
  Policy now = policy_of({});
};

TEST_F(LargeLists, forget_the_oldest_versions_of_all_beyond_their_size) {
  constexpr std::uint32_t kEntries = 50'000;
  for (std::uint32_t generation = 2; generation < 14; ++generation) {
    replace(generation % 2, generation, kEntries);
  }
  for (const char* list : {"pl-a", "pl-b"}) {
    EXPECT_EQ(versions.of(list).back().number, 7u) << "each counts on";
    EXPECT_GE(versions.of(list).size(), 2u) << "what there is room for is kept";
    EXPECT_LE(versions.of(list).size(), 3u);
  }
  EXPECT_EQ(texts_at(versions, now, 6).size(), kEntries);
}

TEST_F(LargeLists, give_up_their_own_past_for_a_change_that_is_too_large) {
  replace(0, 2, 10);
  replace(1, 3, 10);
  replace(1, 4, 300'000);
  EXPECT_EQ(versions.of("pl-a").size(), 2u) << "of another list nothing is lost";
  ASSERT_EQ(versions.of("pl-b").size(), 1u);
  EXPECT_EQ(versions.of("pl-b").back().number, 3u);
  EXPECT_EQ(versions.of("pl-b").back().entry_count, 300'000u);
}

TEST_F(LargeLists, are_bounded_by_what_is_said_of_their_changes_too) {
  ListStamp wordy = stamp(2);
  wordy.comment = std::string(4'096, 'x');
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    wordy.generation = Generation(2 + i);
    const ListChange change{i % 2 == 0 ? "pl-a" : "pl-b", {{Cidr(IpAddr::v4(i), 32), "", {}}}, {}};
    versions.record(change, i, std::make_shared<const ListStamp>(wordy));
  }
  EXPECT_LE(size_of(versions), kListHistorySize);
}

TEST(ListVersions, begin_anew_with_another_family) {  // PL-1
  ListVersions versions;
  const Policy first = policy_of({{"10.0.0.0/8", ""}});
  versions.record(nullptr, first, stamp(1));
  Policy second = policy_of({{"fd00::/8", ""}});
  second.prefix_lists[0].family = Family::Ipv6;
  versions.record(&first, second, stamp(2));
  ASSERT_EQ(versions.of("pl-a").size(), 1u);
  EXPECT_EQ(versions.of("pl-a")[0].number, 1u);
  EXPECT_EQ(versions.of("pl-a")[0].stamp->generation, Generation(2));
}

TEST(ListVersions, agree_with_whole_copies_and_survive_being_written) {
  std::mt19937 random(11);
  ListVersions versions;
  std::map<std::string, std::string> entries;
  Policy now = policy_of(entries);
  versions.record(nullptr, now, stamp(1));
  std::vector<std::vector<std::string>> copies = {texts_of(now.prefix_lists[0].entries)};
  for (std::uint32_t generation = 2; generation < 200; ++generation) {
    const Policy before = now;
    for (unsigned i = random() % 4 + 1; i-- > 0;) {
      const std::string cidr = "10." + std::to_string(random() % 16) + ".0.0/16";
      if (random() % 3 == 0)
        entries.erase(cidr);
      else
        entries[cidr] = std::string(1, static_cast<char>('a' + random() % 3));
    }
    now = policy_of(entries);
    versions.record(&before, now, stamp(generation));
    const std::vector<std::string> texts = texts_of(now.prefix_lists[0].entries);
    if (texts != copies.back()) copies.push_back(texts);
  }
  const Result<ListVersions> read = ListVersions::from_text(versions.to_text());
  ASSERT_TRUE(read) << read.error().sentence;
  ASSERT_EQ(versions.of("pl-a").size(), copies.size());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    EXPECT_EQ(texts_at(versions, now, i + 1), copies[i]);
    EXPECT_EQ(texts_at(*read, now, i + 1), copies[i]);
  }
  EXPECT_EQ(read->to_text(), versions.to_text());
}

TEST(ListVersions, that_have_a_gap_or_are_no_json_are_refused) {
  const auto row = [](int number, const char* more) {
    return R"({"version":)" + std::to_string(number) +
           R"(,"generation":1,"applied_unix_s":1,"author_uid":0,"comment":"","entries":0)" + more +
           "}";
  };
  const auto list = [](const std::string& rows) {
    return R"([{"list":"pl-a","versions":[)" + rows + "]}]";
  };
  const std::string change = R"(,"added":[{"cidr":"10.0.0.0/8"}],"removed":[])";
  EXPECT_TRUE(ListVersions::from_text(list(row(3, "") + "," + row(4, change.c_str()))));
  for (const std::string& text :
       {std::string("{"), std::string("3"), std::string("[3]"), list(""),
        list(row(1, change.c_str())), list(row(1, "") + "," + row(2, "")),
        list(row(1, "") + "," + row(3, change.c_str())),
        list(row(1, "") + "," + row(2, R"(,"added":[{"cidr":"10.0.0.0"}],"removed":[])"))}) {
    const Result<ListVersions> read = ListVersions::from_text(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, "bad-list-versions");
  }
}

}  // namespace
}  // namespace sluice
