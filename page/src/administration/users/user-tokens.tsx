import { listApiTokens, revokeApiToken } from "../../api/resources.ts";
import type { User } from "../../api/shapes.ts";
import { Button, Dialog, LoadState } from "../../design/components.tsx";
import { useLoad } from "../../design/load.ts";
import { TokenList } from "../../token/token-list.tsx";

/** The API tokens of a user, to be revoked. */
export function UserTokens({ user, onClose }: { user: User; onClose: () => void }) {
  const loaded = useLoad((signal) => listApiTokens(user.user_id, signal), [user.user_id]);
  return (
    <Dialog title={`API tokens of ${user.user_id}`} onClose={onClose} wide>
      <div class="stack">
        <LoadState loaded={loaded} what="the API tokens" />
        {loaded.value && loaded.value.length > 0 && (
          <TokenList
            tokens={loaded.value}
            revoke={async ({ token_id }) => {
              await revokeApiToken(user.user_id, token_id);
            }}
            onRevoked={loaded.reload}
          />
        )}
        {loaded.value?.length === 0 && (
          <p>
            <bdi>{user.name}</bdi> has none.
          </p>
        )}
        <div class="dialog-actions">
          <Button onClick={onClose}>Close</Button>
        </div>
      </div>
    </Dialog>
  );
}
