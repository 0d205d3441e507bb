#include "control/policy/document.h"

#include <gtest/gtest.h>

#include "control/policy/json_document.h"
#include "control/policy/toml_document.h"

namespace sluice {
namespace {

std::string codes_of(Findings& findings) {
  std::string text;
  for (const Finding& finding : findings.take()) {
    text += std::to_string(finding.line) + ":" + std::to_string(finding.column) + " " +
            finding.code + ";";
  }
  return text;
}

std::string nested(std::size_t depth, std::string_view open, std::string_view close) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += open;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(TomlDocument, knows_every_kind_of_value_and_its_place) {
  Findings findings("f");
  const auto root = parse_toml_document(
      "text = 'x'\n whole = -7\nbroken = 1.5\nyes = true\nday = 2020-01-01\nlist = [1, 'a']\n"
      "[tab.sub]\nk = 1\n",
      findings);
  ASSERT_TRUE(root);
  EXPECT_EQ(*root->find("text")->value.string(), "x");
  EXPECT_EQ(*root->find("whole")->value.integer(), -7);
  EXPECT_EQ(root->find("whole")->at, (Position{2, 2}));
  EXPECT_EQ(root->find("whole")->value.at(), (Position{2, 10}));
  EXPECT_EQ(*root->find("broken")->value.floating(), 1.5);
  EXPECT_TRUE(*root->find("yes")->value.boolean());
  EXPECT_EQ(root->find("day")->value.kind_name(), "a date or time");
  EXPECT_EQ(root->find("list")->value.array()->at(1).at(), (Position{6, 12}));
  const Node& sub = root->find("tab")->value.find("sub")->value;
  EXPECT_EQ(sub.find("k")->at, (Position{8, 1}));
  EXPECT_EQ(root->find("nothing"), nullptr);
  EXPECT_FALSE(findings.has_errors());
}

TEST(TomlDocument, keeps_keys_in_the_order_of_the_text) {
  Findings findings("f");
  const auto root = parse_toml_document("z = 1\na = 2\nm = 3\n", findings);
  ASSERT_TRUE(root);
  EXPECT_EQ(document_to_json(*root), R"({"z":1,"a":2,"m":3})");
}

TEST(TomlDocument, points_at_each_table_of_an_array_of_tables) {
  Findings findings("f");
  const auto root = parse_toml_document("[[vpc]]\nid = 'a'\n\n[[vpc]]\nid = 'b'\n", findings);
  ASSERT_TRUE(root);
  const Node::Array& tables = *root->find("vpc")->value.array();
  EXPECT_EQ(tables.at(0).at().line, 1u);
  EXPECT_EQ(tables.at(1).at().line, 4u);
}

TEST(TomlDocument, says_where_the_syntax_is_wrong) {
  Findings findings("f");
  EXPECT_FALSE(parse_toml_document("a = 1\nb = = 2\n", findings));
  EXPECT_EQ(codes_of(findings).substr(0, 2), "2:");
}

TEST(TomlDocument, refuses_a_key_there_twice) {
  Findings findings("f");
  EXPECT_FALSE(parse_toml_document("a = 1\na = 2\n", findings));
  EXPECT_TRUE(findings.has_errors());
}

TEST(TomlDocument, refuses_text_that_is_not_utf8) {
  Findings findings("f");
  EXPECT_FALSE(parse_toml_document("a = \"\xff\xfe\"\n", findings));
  EXPECT_TRUE(findings.has_errors());
}

TEST(TomlDocument, refuses_deep_nesting_of_arrays) {
  Findings deep("f");
  EXPECT_FALSE(parse_toml_document("a = " + nested(40, "[", "]") + "\n", deep));
  EXPECT_EQ(codes_of(deep), "1:36 too-deep;");
  Findings flat("f");
  EXPECT_TRUE(parse_toml_document("a = " + nested(31, "[", "]") + "\n", flat));
}

TEST(TomlDocument, survives_nesting_that_no_stack_holds) {
  Findings arrays("f");
  EXPECT_FALSE(parse_toml_document("a = " + std::string(1'000'000, '['), arrays));
  Findings keys("f");
  EXPECT_FALSE(parse_toml_document("a" + nested(200'000, ".a", "") + " = 1\n", keys));
  EXPECT_EQ(codes_of(keys), "1:64 too-deep;");
  Findings header("f");
  EXPECT_FALSE(parse_toml_document("x = 1\n[a" + nested(200'000, ".a", "") + "]\n", header));
  EXPECT_EQ(codes_of(header), "2:65 too-deep;");
}

TEST(TomlDocument, takes_dots_in_strings_and_comments_for_text) {
  Findings findings("f");
  const std::string dots(100, '.');
  EXPECT_TRUE(parse_toml_document("a = \"" + dots + "\\\"" + dots + "\" # " + dots + "\nb = '" +
                                      dots + "'\nc = '''\n" + dots + "'" + dots + "'''\n",
                                  findings));
}

TEST(JsonDocument, knows_every_kind_of_value_and_its_place) {
  Findings findings("f");
  const auto root = parse_json_document(
      "{ \"text\": \"x\\u00e9\",\n  \"whole\" : -7, \"broken\":1.5,\n\"list\": [ 1,\"a\" , {}, [] "
      "],\n"
      "\"yes\":true,\"none\":null }",
      findings);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->at(), (Position{1, 1}));
  EXPECT_EQ(root->find("text")->at, (Position{1, 3}));
  EXPECT_EQ(root->find("text")->value.at(), (Position{1, 11}));
  EXPECT_EQ(*root->find("text")->value.string(), "x\xc3\xa9");
  EXPECT_EQ(*root->find("whole")->value.integer(), -7);
  EXPECT_EQ(root->find("whole")->at, (Position{2, 3}));
  EXPECT_EQ(root->find("whole")->value.at(), (Position{2, 13}));
  EXPECT_EQ(root->find("broken")->value.at(), (Position{2, 26}));
  const Node::Array& list = *root->find("list")->value.array();
  EXPECT_EQ(list.at(0).at(), (Position{3, 11}));
  EXPECT_EQ(list.at(1).at(), (Position{3, 13}));
  EXPECT_EQ(list.at(2).at(), (Position{3, 19}));
  EXPECT_EQ(list.at(3).at(), (Position{3, 23}));
  EXPECT_EQ(root->find("yes")->value.at(), (Position{4, 7}));
  EXPECT_EQ(root->find("none")->value.kind_name(), "null");
}

TEST(JsonDocument, counts_columns_in_characters) {
  Findings findings("f");
  const auto root = parse_json_document("{\"a\":\"\xc3\xa9\xe2\x82\xac\",\"b\":1}", findings);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("b")->at, (Position{1, 11}));
}

TEST(JsonDocument, refuses_a_key_there_twice_and_names_both_places) {
  Findings findings("f");
  parse_json_document("{\"a\": 1,\n \"b\": {\"a\": 2},\n \"a\": 3}", findings);
  const std::vector<Finding> found = findings.take();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(to_string(found[0]), "f:3:2: error: the key \"a\" is there twice, first at f:1:2");
}

TEST(JsonDocument, refuses_deep_nesting) {
  Findings deep("f");
  EXPECT_FALSE(parse_json_document(nested(1'000'000, "[", "]"), deep));
  EXPECT_EQ(codes_of(deep), "1:33 too-deep;");
  Findings objects("f");
  EXPECT_FALSE(parse_json_document(nested(100'000, "{\"a\":", ""), objects));
  Findings flat("f");
  EXPECT_TRUE(parse_json_document(nested(32, "[", "]"), flat));
}

TEST(JsonDocument, says_where_the_syntax_is_wrong) {
  for (const std::string_view text :
       {"", "{", "{\"a\":}", "{\"a\":1,}", "[1 2]", "{} x", "nul", "01", "\"\x01\"", "\"\xff\"",
        "\xef\xbb\xbf{}", "{\"a\":1e999999}"}) {
    Findings findings("f");
    EXPECT_FALSE(parse_json_document(text, findings)) << text;
    EXPECT_TRUE(findings.has_errors()) << text;
  }
  Findings findings("f");
  EXPECT_FALSE(parse_json_document("{\"a\": 1,\n  oops}", findings));
  EXPECT_EQ(codes_of(findings), "2:3 syntax;");
}

TEST(JsonDocument, names_a_number_that_is_too_great) {
  Findings findings("f");
  EXPECT_FALSE(parse_json_document("{\"a\": 1,\n \"b\": 1e999}", findings));
  const std::vector<Finding> found = findings.take();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(to_string(found[0]),
            "f:2:7: error: the number 1e999 is out of range: it must be below 1.8e308");
}

TEST(JsonDocument, keeps_integers_whole_and_makes_too_great_ones_fractions) {
  Findings findings("f");
  const auto root = parse_json_document(
      R"({"a":9223372036854775807,"b":9223372036854775808,"c":-9223372036854775808})", findings);
  ASSERT_TRUE(root);
  EXPECT_EQ(*root->find("a")->value.integer(), std::numeric_limits<std::int64_t>::max());
  EXPECT_NE(root->find("b")->value.floating(), nullptr);
  EXPECT_EQ(*root->find("c")->value.integer(), std::numeric_limits<std::int64_t>::min());
}

TEST(Document, becomes_the_same_json_from_either_spelling) {
  const std::string json = R"({"a":[1,"x",true,{"b":1.5}],"c":{"d":[]}})";
  Findings findings("f");
  const auto from_json = parse_json_document(json, findings);
  const auto from_toml =
      parse_toml_document("a = [1, 'x', true, { b = 1.5 }]\n[c]\nd = []\n", findings);
  ASSERT_TRUE(from_json && from_toml);
  EXPECT_EQ(document_to_json(*from_json), json);
  EXPECT_EQ(document_to_json(*from_toml), json);
}

}  // namespace
}  // namespace sluice
