// A small OpenID Connect provider: client gw / gw-secret, whose users are all whom they say they are.
import { randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [address, port] = process.argv.slice(2);
const provider = new Provider(`http://${address}:${port}`, {
  clients: [{
    client_id: 'gw',
    client_secret: 'gw-secret',
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    redirect_uris: ['http://gateway.test/callback'],
    post_logout_redirect_uris: ['http://gateway.test/bye'],
  }],
  features: {
    clientCredentials: { enabled: true },
    // Nonces of a secret that nobody else needs.
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:gw',
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'read', accessTokenFormat: 'jwt', audience: 'gw' }),
    },
  },
});
provider.listen(Number(port), address);
