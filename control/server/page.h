#pragma once

// Part of a long list, as an answer. Control thread.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/result.h"
#include "control/server/message.h"

namespace sluice {

// From `cursor` on, at most `limit`, and no more than about 8 MiB. The answer's next_cursor, a
// string of digits, goes on there; it is null at the end.
struct ListPage {
  std::uint64_t cursor = 0;
  std::uint64_t limit = 1'000;
};

inline constexpr std::uint64_t kListLimitMax = 10'000;
// A page ends before it grows beyond this, whatever its limit.
inline constexpr std::size_t kPageSizeMax = 8u << 20;

// The next_cursor of an answer; 0 is the end.
inline nlohmann::ordered_json cursor_to_json(std::uint64_t cursor) {
  using Json = nlohmann::ordered_json;
  return cursor == 0 ? Json(nullptr) : Json(std::to_string(cursor));
}

// Code "answer-too-big": a row that is longer than a message may be.
inline Error row_too_big(const std::string& thing, std::size_t size) {
  return Error{ErrorKind::LimitExceeded, "answer-too-big",
               thing + " takes " + std::to_string(size) + " bytes as an answer, more than the " +
                   std::to_string(kMessageSizeMax) + " of a message; 'policy show' has the policy",
               ""};
}

// {KEY: [a row of each of `things`], "next_cursor": …}. `called(thing)` is its name in an error.
template <class Things, class MakeRow, class Called>
Result<nlohmann::ordered_json> page_of(const Things& things, const std::string& key,
                                       const ListPage& page, const MakeRow& make_row,
                                       const Called& called) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  const std::uint64_t limit = std::min(page.limit, kListLimitMax);
  const std::uint64_t begin = std::min<std::uint64_t>(page.cursor, things.size());
  const std::uint64_t end = std::min<std::uint64_t>(begin + limit, things.size());
  std::uint64_t i = begin;
  for (std::size_t size = 0; i < end && size < kPageSizeMax; ++i) {
    rows.push_back(make_row(things[i]));
    const std::size_t row_size = to_line(rows.back()).size();
    if (row_size > kMessageSizeMax) return row_too_big(called(things[i]), row_size);
    // A row of up to a message may end a page, but then the page begins with it.
    if (size != 0 && size + row_size > kPageSizeMax) {
      rows.erase(rows.size() - 1);
      break;
    }
    size += row_size;
  }
  const std::uint64_t next = i < things.size() ? i : 0;
  return nlohmann::ordered_json{{key, std::move(rows)}, {"next_cursor", cursor_to_json(next)}};
}

// The same of things with an id, called `word`; only the one of that name, unless it is empty.
// Kind Failed, code "unknown-WORD", if there is none.
template <class Thing, class MakeRow>
Result<nlohmann::ordered_json> page_of_named(const std::vector<Thing>& things,
                                             const std::string& key, const std::string& word,
                                             const std::string& name, const ListPage& page,
                                             const MakeRow& make_row) {
  const auto called = [&](const Thing& thing) { return word + " '" + thing.id + "'"; };
  if (name.empty()) return page_of(things, key, page, make_row, called);
  const auto place = std::find_if(things.begin(), things.end(),
                                  [&](const Thing& thing) { return thing.id == name; });
  if (place == things.end()) {
    return Error{ErrorKind::Failed, "unknown-" + word,
                 "the policy has no " + word + " '" + name + "'", ""};
  }
  return page_of(std::span(&*place, 1), key, {}, make_row, called);
}

}  // namespace sluice
