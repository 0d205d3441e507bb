// Fingerprints of hellos, against the example of FoxIO's technical details of JA4.

#include "lookup/l7_ja4.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "lookup/l7_tls.h"
#include "tests/lookup/hello_builder.h"
#include "tests/lookup/l7_fixture.h"

namespace sluice {
namespace {

// The published hello: its lists as the document gives them, with GREASE among them.
HelloBuilder published() {
  HelloBuilder hello;
  hello.ciphers = {0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
                   0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
  hello.extension(0x1a1a, {}).extension(0x001b, {}).server_name("example.com");
  for (const std::uint16_t type :
       {0x0033, 0x4469, 0x0017, 0x002d, 0x0005, 0x0023, 0x0012, 0xff01, 0x000b, 0x000a, 0x0015}) {
    hello.extension(type, {});
  }
  hello.extension(16, behind16({2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'}));
  hello.numbers(43, {0x3a3a, 0x0304, 0x0303});
  hello.numbers(13, {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601});
  return hello;
}

std::string fingerprint(const HelloBuilder& hello, bool is_quic = false) {
  L7Fixture l7;
  const NameAnswer answer = find_hello_name(hello.handshake(), is_quic, l7.scratch().crypto());
  return std::string(answer.ja4.text());
}

TEST(Ja4, IsThePublishedOne) {
  EXPECT_EQ(fingerprint(published()), "t13d1516h2_8daaf6152771_e5627efa2ab1");
  EXPECT_EQ(fingerprint(published(), true), "q13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, StaysWhenExtensionsAndCiphersAreShuffled) {
  HelloBuilder hello = published();
  std::ranges::reverse(hello.extensions);
  std::ranges::reverse(hello.ciphers);
  EXPECT_EQ(fingerprint(hello), fingerprint(published()));
}

TEST(Ja4, SaysWhatIsMissing) {
  HelloBuilder hello;
  hello.ciphers.clear();
  EXPECT_EQ(fingerprint(hello), "t12i000000_000000000000_000000000000");
  hello.extension(5, {}).numbers(43, {0x0304});
  hello.legacy_version = 0x0301;
  // The hash of "0005,002b": no signature algorithms, no underscore.
  EXPECT_EQ(fingerprint(hello).substr(0, 24), "t13i000200_000000000000_");
  EXPECT_NE(fingerprint(hello).substr(24), "000000000000");
}

TEST(Ja4, ShowsOtherProtocolsByTheirDigits) {
  HelloBuilder hello;
  hello.extension(16, behind16({2, 0xab, 0xcd}));
  EXPECT_EQ(fingerprint(hello).substr(8, 2), "ad");
}

TEST(Ja4, IsAbsentWhereAListIsTooLong) {
  HelloBuilder hello;
  hello.ciphers.assign(HelloNumbers::kMax, 0x1301);
  EXPECT_EQ(fingerprint(hello).size(), Ja4::kSize);
  EXPECT_EQ(fingerprint(hello).substr(4, 2), "99");
  hello.ciphers.push_back(0x1301);
  EXPECT_EQ(fingerprint(hello), "");
}

}  // namespace
}  // namespace sluice
