#pragma once

// Reads one table of a document key by key; what nobody asked for is an unknown key at the end.
//
// Each function says what is wrong by itself and then answers "nothing", so that readers go on and
// list every error. Short-lived: one for each table, on the stack of its reader. Also good for the
// appliance's own configuration.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/policy/document.h"
#include "control/policy/finding.h"

namespace sluice {

// Inclusive bounds of an integer, with the word that stands behind it in messages ("s", "MB" or
// nothing).
struct IntegerRange {
  std::int64_t low;
  std::int64_t high;
  std::string_view unit = "";
};

class TableReader {
 public:
  // `what` names the table in messages: `vpc "vpc-shop"`. A node that is no table is an error and
  // reads as empty.
  TableReader(const Node& node, std::string what, Findings& findings);

  const std::string& what() const { return what_; }
  void set_what(std::string what) { what_ = std::move(what); }
  Position at() const { return node_.at(); }
  Findings& findings() { return findings_; }

  // The value, null if the key is not there. Every other function goes through here.
  const Node* find(std::string_view key);
  // The same; a missing key is an error ("missing-key") at the table.
  const Node* require(std::string_view key);

  // Nothing if the key is not there or, with an error, if it is of another type or out of range.
  std::optional<std::string> string(std::string_view key);
  std::optional<std::string> required_string(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, IntegerRange range);
  std::optional<bool> boolean(std::string_view key);
  const Node::Array* array(std::string_view key);
  const Node::Array* required_array(std::string_view key);
  // One of the words, as its index.
  std::optional<std::size_t> choice(std::string_view key, std::span<const std::string_view> words);
  // Letters, digits, and . _ - : up to 128 of them; missing is an error.
  std::optional<std::string> required_id(std::string_view key);

  // Where the value of the key stands; the table's place if it is not there.
  Position place_of(std::string_view key) const;

  void error(Position at, std::string_view code, const std::string& text);
  // It is right but too much: exit code 5.
  void over_limit(Position at, std::string_view code, const std::string& text);
  void wrong_type(const Node& node, std::string_view key, std::string_view wanted);

  // Reports the keys that nobody asked for ("unknown-key") and those there twice. Call it last.
  void finish();

 private:
  const Node& node_;
  std::string what_;
  Findings& findings_;
  std::vector<std::string_view> asked_;
};

// True for what may name a thing: letters, digits, and . _ - : up to 128 of them.
bool is_valid_id(std::string_view text);

// Calls `read` for each table of an array of tables; left out: none; anything else is an error.
void for_each_table(TableReader& parent, std::string_view key,
                    const std::function<void(const Node&)>& read);

// `"tcp"`: a value in a message, cut after 80 characters. Control characters and bytes that are no
// UTF-8 are shown as `?`; other alphabets as they are.
std::string quoted(std::string_view text);

// Characters of UTF-8 text; a byte that is none counts as one.
std::size_t character_count(std::string_view text);

}  // namespace sluice
