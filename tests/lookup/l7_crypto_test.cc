// The vectors of RFC 9001 Appendix A and RFC 9369 Appendix A.

#include "lookup/l7_crypto.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/lookup/l7_fixture.h"

namespace sluice {
namespace {

template <std::size_t N>
std::vector<std::uint8_t> listed(const std::array<std::uint8_t, N>& bytes) {
  return {bytes.begin(), bytes.end()};
}

TEST(L7Crypto, HashesAsFips180) {
  const auto crypto = L7Crypto::create();
  EXPECT_EQ(listed(crypto->sha256("abc")),
            from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_EQ(listed(crypto->sha256("")),
            from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

TEST(L7Crypto, DerivesTheKeysOfRfc9001) {
  const auto crypto = L7Crypto::create();
  const L7Crypto::InitialKeys keys = crypto->initial_keys(from_hex("8394c8f03e515708"), false);
  EXPECT_EQ(listed(keys.key), from_hex("1f369613dd76d5467730efcbe3b1a22d"));
  EXPECT_EQ(listed(keys.iv), from_hex("fa044b2f42a3fd3b46fb255c"));
  EXPECT_EQ(listed(keys.header_key), from_hex("9f50449e04a0e810283a1e9933adedd2"));
}

TEST(L7Crypto, DerivesTheKeysOfRfc9369) {
  const auto crypto = L7Crypto::create();
  const L7Crypto::InitialKeys keys = crypto->initial_keys(from_hex("8394c8f03e515708"), true);
  EXPECT_EQ(listed(keys.key), from_hex("8b1a0bc121284290a29e0971b5cd045d"));
  EXPECT_EQ(listed(keys.iv), from_hex("91f73e2351d8fa91660e909f"));
  EXPECT_EQ(listed(keys.header_key), from_hex("45b95e15235d6f45a6b19cbcb0294ba9"));
}

TEST(L7Crypto, MasksTheHeaderOfRfc9001) {
  const auto crypto = L7Crypto::create();
  const L7Crypto::InitialKeys keys = crypto->initial_keys(from_hex("8394c8f03e515708"), false);
  const std::vector<std::uint8_t> sample = from_hex("d1b1c98dd7689fb8ec11d242b123dc9b");
  EXPECT_EQ(listed(crypto->header_mask(keys, std::span(sample).first<16>())),
            from_hex("437b9aec36"));
}

TEST(L7Crypto, OpensOnlyWhatNobodyChanged) {
  const auto crypto = L7Crypto::create();
  // AES-128-GCM, test case 2 of the specification: key and nonce of zeros, one block of zeros.
  const L7Crypto::InitialKeys keys;
  std::vector<std::uint8_t> sealed =
      from_hex("0388dace60b6a392f328c2b971b2fe78 ab6e47d42cec13bdf53a67b21257bddf");
  std::vector<std::uint8_t> plain(16, 0xee);
  ASSERT_TRUE(crypto->open(keys, 0, {}, sealed, plain));
  EXPECT_EQ(plain, std::vector<std::uint8_t>(16, 0));
  sealed[20] ^= 1;
  EXPECT_FALSE(crypto->open(keys, 0, {}, sealed, plain));
  EXPECT_FALSE(crypto->open(keys, 0, {}, std::span(sealed).first(15), plain));
}

}  // namespace
}  // namespace sluice
