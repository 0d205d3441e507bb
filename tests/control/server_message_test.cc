#include "control/server/message.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "base/limits.h"

namespace sluice {
namespace {

std::string code_of(std::string_view text) {
  const Result<nlohmann::json> tree = parse_message(text);
  return tree ? "fine" : tree.error().code;
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Message, reads_what_json_can_hold) {
  const std::string_view text = R"({"a":[1,-2,3.5,true,null,"x"],"b":{"c":{}},"d":[[],[{}]]})";
  const Result<nlohmann::json> tree = parse_message(text);
  ASSERT_TRUE(tree);
  EXPECT_EQ(*tree, nlohmann::json::parse(text));
}

TEST(Message, keeps_whole_numbers_of_64_bits) {
  const Result<nlohmann::json> tree = parse_message("[18446744073709551615,-9223372036854775808]");
  ASSERT_TRUE(tree);
  EXPECT_EQ((*tree)[0].get<std::uint64_t>(), 18446744073709551615u);
  EXPECT_TRUE((*tree)[1].is_number_integer());
}

TEST(Message, refuses_a_key_that_stands_twice) {
  EXPECT_EQ(code_of(R"({"a":1,"a":1})"), "duplicate-key");
  EXPECT_EQ(code_of(R"({"x":{"a":1,"b":2,"a":3}})"), "duplicate-key");
}

TEST(Message, tells_keys_of_different_objects_apart) {
  EXPECT_EQ(code_of(R"([{"a":1},{"a":2},{"b":{"a":3}}])"), "fine");
}

TEST(Message, refuses_a_key_twice_when_one_is_written_with_escapes) {
  EXPECT_EQ(code_of(R"({"a":1,"\u0061":2})"), "duplicate-key");
}

TEST(Message, takes_the_greatest_depth_and_no_more) {
  EXPECT_EQ(code_of(nested(kMessageDepthMax)), "fine");
  EXPECT_EQ(code_of(nested(kMessageDepthMax + 1)), "too-deep");
  EXPECT_EQ(code_of(nested(1'000'000)), "too-deep");
}

TEST(Message, takes_the_greatest_size_and_no_more) {
  std::string text = "\"" + std::string(kMessageSizeMax - 2, 'x') + "\"";
  EXPECT_EQ(code_of(text), "fine");
  text += " ";
  EXPECT_EQ(code_of(text), "too-long");
}

TEST(Message, says_where_the_syntax_breaks) {
  const Result<nlohmann::json> tree = parse_message(R"({"a":1,})");
  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().code, "syntax");
  EXPECT_NE(tree.error().sentence.find("byte 8"), std::string::npos) << tree.error().sentence;
}

TEST(Message, refuses_text_that_is_not_json) {
  for (const char* text : {"", " ", "{", "}", "nul", "[1,]", "{\"a\"}", "\"", "1 2", "NaN", "'a'",
                           "\"\xff\"", "\"\x01\"", "1e999", "// x\n1"}) {
    EXPECT_EQ(code_of(text), "syntax") << text;
  }
}

TEST(Message, survives_mutations_of_a_request) {
  std::mt19937_64 random(7);
  const std::string whole =
      R"({"jsonrpc":"2.0","id":7,"method":"explain","params":{"queries":[{"interface":"e"}]}})";
  int fine = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = whole;
    for (std::size_t k = random() % 4 + 1; k > 0; --k) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    const Result<nlohmann::json> tree = parse_message(text);
    // What we take, the library's own parser takes as the same.
    if (tree) {
      ++fine;
      ASSERT_EQ(*tree, nlohmann::json::parse(text, nullptr, false)) << text;
    }
  }
  EXPECT_GT(fine, 100);
}

TEST(Message, writes_one_line_whatever_the_bytes) {
  const std::string line = to_line({{"text", "a\nb\xff\x1b"}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line, "{\"text\":\"a\\nb\xef\xbf\xbd\\u001b\"}");
}

}  // namespace
}  // namespace sluice
