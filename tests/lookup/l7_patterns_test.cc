// Scans by the databases of applications and signatures.

#include "lookup/l7_patterns.h"

#include <gtest/gtest.h>
#include <hs/hs_common.h>
#include <hs/hs_compile.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/lookup/l7_fixture.h"

namespace sluice {
namespace {

std::vector<char> serialized_database() {
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  EXPECT_EQ(hs_compile("needle", 0, HS_MODE_BLOCK, nullptr, &database, &error), HS_SUCCESS);
  char* bytes = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(hs_serialize_database(database, &bytes, &size), HS_SUCCESS);
  std::vector<char> copy(bytes, bytes + size);
  std::free(bytes);
  hs_free_database(database);
  return copy;
}

TEST(L7Patterns, NominatesByTransportAndSide) {
  L7Fixture l7;
  const auto banner = bytes_of("SSH-2.0-OpenSSH_9.2\r\n");
  EXPECT_EQ(l7.patterns().scan(L7Transport::Tcp, L7Side::Initiator, banner, l7.scratch()).strong,
            AppSet::of(App::Ssh));
  EXPECT_TRUE(l7.patterns()
                  .scan(L7Transport::Udp, L7Side::Initiator, banner, l7.scratch())
                  .strong.is_empty());
}

TEST(L7Patterns, NominatesWeaklyWhatSeveralApplicationsSay) {
  L7Fixture l7;
  const auto banner = bytes_of("220 ready\r\n");
  const L7Nominees nominees =
      l7.patterns().scan(L7Transport::Tcp, L7Side::Responder, banner, l7.scratch());
  EXPECT_TRUE(nominees.strong.is_empty());
  EXPECT_EQ(nominees.weak, AppSet::of(App::Smtp) | AppSet::of(App::Ftp));
}

TEST(L7Patterns, SeesNothingBeyondItsBound) {
  L7Fixture l7({{"s", "needle", "", true}});
  std::string text(kL7ScanBytes, '.');
  text.replace(text.size() - 6, 6, "needle");
  EXPECT_EQ(l7.patterns().scan_signatures(bytes_of(text), l7.scratch()).drop, 0u);
  text.insert(0, 1, '.');
  EXPECT_EQ(l7.patterns().scan_signatures(bytes_of(text), l7.scratch()).drop,
            L7SignatureHit::kNone);
}

TEST(L7Patterns, NamesTheFirstSignatureOfEachAction) {
  L7Fixture l7({{"a", "never", "", false},
                {"b", "worm[0-9]", "", false},
                {"c", "w.rm", "i", true},
                {"d", "worm7", "", true}});
  const L7SignatureHit hit =
      l7.patterns().scan_signatures(bytes_of("a worm7 passes"), l7.scratch());
  EXPECT_EQ(hit.alert, 1u);
  EXPECT_EQ(hit.drop, 2u);
  EXPECT_EQ(l7.patterns().signatures()[hit.drop].id, "c");
}

TEST(L7Patterns, RefusesADamagedDatabase) {
  L7DatabaseBytes bytes;
  bytes[0].assign(100, 'x');
  const auto patterns = L7Patterns::load(bytes, {});
  ASSERT_FALSE(patterns);
  EXPECT_EQ(patterns.error().code, "bad-database");
}

// A serialised database begins with magic, version, length (32 bits each) and platform (64 bits).
TEST(L7Patterns, SaysWhoseADatabaseIsThatItCannotUse) {
  L7DatabaseBytes whole;
  whole[0] = serialized_database();
  ASSERT_TRUE(L7Patterns::load(whole, {}));
  const auto why = [&](std::size_t at) {
    L7DatabaseBytes changed = whole;
    for (std::size_t i = at; i < at + 4; ++i) changed[0][i] = static_cast<char>(~changed[0][i]);
    const auto patterns = L7Patterns::load(changed, {});
    return patterns ? std::string("used") : patterns.error().sentence;
  };
  EXPECT_NE(why(4).find("another version"), std::string::npos) << why(4);
  EXPECT_NE(why(12).find("another CPU"), std::string::npos) << why(12);
  for (std::size_t size = 0; size < whole[0].size(); size += 1 + size / 8) {
    L7DatabaseBytes cut;
    cut[0].assign(whole[0].begin(), whole[0].begin() + static_cast<std::ptrdiff_t>(size));
    const auto patterns = L7Patterns::load(cut, {});
    EXPECT_EQ(patterns.has_value(), size == 0) << size;
  }
}

TEST(L7Patterns, MatchesNothingWithoutDatabases) {
  const auto patterns = L7Patterns::load({}, {});
  ASSERT_TRUE(patterns);
  const auto scratch = L7Scratch::create(**patterns);
  ASSERT_TRUE(scratch);
  const auto bytes = bytes_of("GET / HTTP/1.1\r\n");
  EXPECT_TRUE(
      (*patterns)->scan(L7Transport::Tcp, L7Side::Initiator, bytes, **scratch).strong.is_empty());
  EXPECT_EQ((*patterns)->scan_signatures(bytes, **scratch).alert, L7SignatureHit::kNone);
}

}  // namespace
}  // namespace sluice
