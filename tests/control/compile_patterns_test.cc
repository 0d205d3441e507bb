// Signatures: what is refused and where, and the cache of what was compiled.

#include "control/compile/build_patterns.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/limits.h"
#include "control/compile/app_patterns.h"
#include "control/compile/layer7_tools.h"
#include "control/compile/pattern_cache.h"
#include "control/compile/pattern_size.h"
#include "control/sha256.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

std::vector<SignatureFault> check(const std::string& pattern, const std::string& flags = "") {
  return check_signatures(std::vector<SignatureSource>{{"sig-1", pattern, flags, true}});
}

TEST(Signatures, AreAcceptedAsPcre) {
  EXPECT_TRUE(check("^GET /[a-z]{3,8}\\.php\\?id=[0-9]+", "i").empty());
  EXPECT_TRUE(check("\\x00\\xff(a|b)+?c", "ms").empty());
}

TEST(Signatures, ThatAreWrongAreNamedWithThePosition) {
  const auto faults = check("abc(de");
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].position, 3u);
  EXPECT_EQ(faults[0].sentence,
            "signature sig-1: Missing close parenthesis for group started at index 3.");
  EXPECT_EQ(check("ab[z-a]")[0].position.has_value(), true);
  EXPECT_NE(check("(?<=x)y")[0].sentence.find("not supported"), std::string::npos);
  EXPECT_EQ(check(std::string("ab\0c", 4))[0].position, 2u);
  EXPECT_EQ(check("a", "ix")[0].sentence, "signature sig-1: flag 'x' is none of i, m, s");
  EXPECT_EQ(check("")[0].sentence, "signature sig-1: the pattern is empty");
  EXPECT_FALSE(check("a*").empty());
  EXPECT_EQ(check(std::string(kPatternSizeMax + 1, 'a')).size(), 1u);
}

TEST(Signatures, AreAllChecked) {
  const std::vector<SignatureSource> list = {
      {"a", "(", "", false}, {"b", "fine", "", false}, {"c", ")", "", true}};
  const auto faults = check_signatures(list);
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_EQ(faults[0].index, 0u);
  EXPECT_EQ(faults[1].index, 2u);
  const auto built = build_patterns(list, "");
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().code, "bad-signature");
  EXPECT_EQ(built.error().sentence, faults[0].sentence);
}

TEST(Signatures, ThatExplodeAreRefusedBeforeTheyAreCompiled) {
  const auto begin = std::chrono::steady_clock::now();
  for (const char* pattern : {"((a{1,100}){1,100}){1,100}", "(a{1000}){1000}", "[ab]{5000}",
                              "(x+x+){4000}y", "((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}"}) {
    const auto faults = check(pattern);
    ASSERT_EQ(faults.size(), 1u) << pattern;
    EXPECT_NE(faults[0].sentence.find("positions, at most 4096"), std::string::npos) << pattern;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  std::vector<SignatureSource> many(200, {"s", "[a-z]{4000}x", "", false});
  EXPECT_EQ(check_signatures(many).size(), 1u);  // together more than there may be
  many.assign(kSignaturesMax + 1, {"s", "x", "", false});
  EXPECT_EQ(check_signatures(many).size(), 1u);
}

TEST(Signatures, BeyondTheNumbersThatFlowsHoldHaveNoNameRatherThanAWrongOne) {
  Registry registry;
  for (std::uint32_t i = 0; i + 1 < FlowFacts::kSignatureNumbers; ++i) {
    registry.signatures.intern("former-" + std::to_string(i));
  }
  std::vector<Signature> signatures(2);
  signatures[0].id = "last";
  signatures[0].pattern = "a";
  signatures[1].id = "beyond";
  signatures[1].pattern = "b";
  Layer7Tools maker(1, "");
  const auto tools = maker.make(signatures, registry);
  ASSERT_TRUE(tools) << tools.error().sentence;
  EXPECT_EQ(registry.signature_name((*tools)->signature_number(0)), "last");
  EXPECT_EQ((*tools)->signature_number(1), FlowFacts::kUnnamedSignature);
  EXPECT_EQ(registry.signature_name(FlowFacts::kUnnamedSignature), "-");
}

TEST(Signatures, ThatHideTheirRepeatsAreRefused) {
  for (const auto& [pattern, word] :
       {std::pair("\\Q[\\E((a{50}){50}){50}", "\\Q"), std::pair("(?#[)((a{50}){50}){50}", "(?#"),
        std::pair("(?x)((a{50}) {50}) {50}", "(?x"), std::pair("a(?i-xm:b {9})c", "(?x")}) {
    const auto faults = check(pattern);
    ASSERT_EQ(faults.size(), 1u) << pattern;
    EXPECT_NE(faults[0].sentence.find(word), std::string::npos) << faults[0].sentence;
  }
  EXPECT_EQ(unread_construct("(?:x)(?i)a(?=x)(?P<x>b)Q(x?)"), std::nullopt);
}

TEST(PatternSize, CountsRepeatsWrittenOut) {
  EXPECT_EQ(expanded_size("abc"), 3u);
  EXPECT_EQ(expanded_size("a{3}b"), 4u);
  EXPECT_EQ(expanded_size("a{2,5}"), 5u);
  EXPECT_EQ(expanded_size("a{4,}"), 5u);
  EXPECT_EQ(expanded_size("(ab|c){3}d"), 13u);
  EXPECT_EQ(expanded_size("[a-z\\]{9}]{2}"), 2u);
  EXPECT_EQ(expanded_size("\\{9}"), 3u);
  EXPECT_EQ(expanded_size("a{x}"), 4u);
  EXPECT_EQ(expanded_size("((("), 0u);
  EXPECT_EQ(expanded_size("a{99999999999999999999}{99999999999999}"), kPatternSizeCap);
}

TEST(AppPatterns, AreThereForEveryApplication) {
  AppSet apps;
  for (const AppPattern& pattern : app_patterns()) {
    apps.insert(pattern.app);
    EXPECT_LT(expanded_size(pattern.expression), kPatternPositionsMax) << pattern.expression;
    EXPECT_TRUE(pattern.expression.starts_with("^") || pattern.expression.starts_with("(?i)^"));
  }
  EXPECT_EQ(apps, AppSet::all());
}

class Cache : public ::testing::Test {
 protected:
  Cache() { fs::remove_all(folder_); }
  ~Cache() override { fs::remove_all(folder_); }

  // The only file, once `list` was built.
  fs::path build() {
    EXPECT_TRUE(build_patterns(list_, folder_.string()).has_value());
    fs::path found;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.file_size() < smallest_) found = entry.path();
      smallest_ = std::min<std::uintmax_t>(smallest_, entry.file_size());
    }
    return found;
  }
  static std::string content(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static void write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }

  fs::path folder_ = fs::temp_directory_path() / ("sluice-cache-" + std::to_string(getpid()));
  std::vector<SignatureSource> list_{{"s", "needle", "", true}};
  std::uintmax_t smallest_ = UINTMAX_MAX;
};

TEST_F(Cache, KeepsWhatWasCompiledAndUsesIt) {
  const fs::path file = build();
  const auto stamp = fs::last_write_time(file);
  const std::string kept = content(file);
  smallest_ = UINTMAX_MAX;
  EXPECT_EQ(build(), file);
  EXPECT_EQ(fs::last_write_time(file), stamp);
  EXPECT_EQ(content(file), kept);
}

TEST_F(Cache, CompilesAgainWhatIsCutChangedOrForeign) {
  const fs::path file = build();
  const std::string good = content(file);
  std::string changed = good;
  changed[good.size() - 20] ^= 1;
  std::string key = good;
  key[20] ^= 1;
  const std::string foreign_bytes = "not a database";
  const std::string name = file.stem().string();
  const std::string foreign =
      "sluice-patterns 1 " + name + "\nsha256 " + sha256_hex(foreign_bytes) + "\n" + foreign_bytes;
  for (const std::string& broken : {good.substr(0, good.size() - 1), good.substr(0, 50),
                                    std::string(), changed, key, foreign, good + "x"}) {
    write(file, broken);
    const auto built = build_patterns(list_, folder_.string());
    ASSERT_TRUE(built);
    EXPECT_EQ(content(file), good);
  }
}

TEST_F(Cache, RemovesTheOldestFiles) {
  const PatternCache cache(folder_.string());
  const auto now = fs::file_time_type::clock::now();
  const std::size_t count = PatternCache::kFilesMax + 3;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = sha256_hex(std::to_string(i));
    cache.keep(key, {'x'});
    fs::last_write_time(cache.path_of(key), now - std::chrono::hours(count - i));
  }
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(cache.find(sha256_hex(std::to_string(i))).has_value(), i >= 3) << i;
  }
}

TEST_F(Cache, IsNotNeeded) {
  EXPECT_TRUE(build_patterns(list_, "/proc/no/such/place").has_value());
  EXPECT_TRUE(build_patterns(list_, "").has_value());
}

}  // namespace
}  // namespace sluice
