-- One-time links by which people set a new password: at most one of each channel for a person.
CREATE TYPE "password_link_channel" AS ENUM ('HANDED_OVER', 'MAILED');

CREATE TABLE "password_link" (
    "user_id" UUID NOT NULL,
    "channel" "password_link_channel" NOT NULL,
    "code_hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "password_link_pkey" PRIMARY KEY ("user_id", "channel")
);

CREATE UNIQUE INDEX "password_link_code_hash_key" ON "password_link"("code_hash");

ALTER TABLE "password_link" ADD CONSTRAINT "password_link_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
