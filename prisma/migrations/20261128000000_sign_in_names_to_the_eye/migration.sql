-- Finds sign-in names that look the same (src/domain/signInNames.ts). Not unique: two such names may exist from before.
CREATE INDEX "app_user_sign_in_name_look_idx" ON "app_user" (translate("sign_in_name", 'асеорху01зб', 'aceopxyol36'));
